"""When the worker polls, on which connection, and what each kind of error means for the next poll."""
