"""The journal: messages, tries, places, requests, login attempts and the lease, in SQLite or PostgreSQL."""
