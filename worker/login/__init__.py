"""Logging in without ever locking the account: the guard, the attempts, credentials and OAuth 2.0."""
