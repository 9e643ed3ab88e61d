"""One file a version of the schema; each begins where the one before ended."""
