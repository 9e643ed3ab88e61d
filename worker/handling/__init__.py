"""Which handlers a message goes to, and how each is loaded, called and bounded."""
