"""What each command does, whatever its words and options."""
