"""The whole mailbox against the whole journal: the balance, the rebuild, and what is forgotten."""
