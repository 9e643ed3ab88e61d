"""What the worker shows of itself: log, audit trail, metrics, health, status page, alerts. Others call it."""

from worker.observe.audit.trail import AuditTrail
from worker.observe.log import bound, get_logger
from worker.observe.log import configure as configure_logging

__all__ = ["AuditTrail", "bound", "configure_logging", "get_logger"]
