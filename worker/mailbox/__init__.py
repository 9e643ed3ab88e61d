"""The IMAP session: the only place that knows IMAPClient."""
