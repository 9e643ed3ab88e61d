"""The built-in handlers, one a file. Each knows the message and nothing else of the worker."""
