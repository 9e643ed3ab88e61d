"""When a run happens, on which connection, and what each kind of trouble means."""
