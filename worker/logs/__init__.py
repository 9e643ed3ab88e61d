"""Logging: the log, the catalogue of its events, and what may leave the process. Every room logs through `log`."""
