"""`find`: what became of a message. Asks the mailbox and the journal at that moment, and stores nothing."""
