"""The message as a handler sees it, and the terms that every room uses for it: key, verdict, outcome."""
