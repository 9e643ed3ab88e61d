"""The built-in handlers, one per file. Each knows only the worker's public names, and no other handler."""
