"""The message as a handler sees it, and the words about it that all rooms share: key, verdict, outcome."""
