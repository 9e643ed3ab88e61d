"""Loads the whole worker, for processes that fork: no child of theirs has to import anything on its way."""

import importlib
import pkgutil

import worker
from worker.settings import HandlerSettings, Settings

_LEFT_OUT = (".__main__", "worker.demo", "worker.journal.migrations", "worker.testing")
"""What runs when it is imported, and what no command of a worker needs."""


def load_everything() -> None:
    """Import every module of the worker, and build what checks the settings."""
    for found in pkgutil.walk_packages(worker.__path__, "worker."):
        if not any(left_out in found.name for left_out in _LEFT_OUT):
            importlib.import_module(found.name)
    for table in (Settings, HandlerSettings):
        table.model_rebuild(force=True)
