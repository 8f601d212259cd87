The log file may be lines of JSON (``log_format: json``).
