Engines of the types ``api_swap``, ``ollama``, ``systemd`` (also by its old name ``ds4``) and ``remote`` beside ``generic_process``; presets for eleven backends.
