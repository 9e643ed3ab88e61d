"""What each command does, independent of how it is typed. One file per group of commands."""
