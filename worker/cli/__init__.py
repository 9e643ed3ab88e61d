"""Arguments in, text and an exit code out; a file a group of commands. It knows neither IMAP nor SQL."""
