"""Comparing the whole mailbox with the whole journal: balancing, rebuilding and compacting the journal."""
