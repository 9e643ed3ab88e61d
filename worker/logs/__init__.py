"""Logging: the log, the catalogue of its events, and what may leave the process. Every room logs through here."""

from worker.logs.log import bound, get_logger
from worker.logs.log import configure as configure_logging

__all__ = ["bound", "configure_logging", "get_logger"]
