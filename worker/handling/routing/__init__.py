"""Routes: which handlers take a message, and why."""
