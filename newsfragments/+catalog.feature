Models are found in the configuration, in command lines and in the engines' own lists, and listed without waking an engine.
