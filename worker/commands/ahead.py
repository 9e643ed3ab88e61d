"""What a worker loads before it begins, although it needs it only later, if at all.

A command imports a module when it needs it, so that none waits for another's. An import opens files. It fails when the
process has no file descriptor left, or when the installation is replaced or removed under it: the moments in which a
worker has to report trouble. So whatever it may then need is loaded before the first message.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Final

ONCE: Final = ("worker.commands.failures",)
"""For `once`: the errors that a person can act on."""
RUN: Final = (
    *ONCE,
    "statistics",
    "worker.message.attachment",
    "worker.message.description",
    "worker.message.mime.content",
    "worker.message.mime.filetype",
    "worker.message.mime.names",
    "worker.message.mime.whole",
    "worker.observe.view",
    "worker.reconcile.compact",
    "worker.reconcile.walk",
)
"""For `run`: also what reads a message, and removes old rows at night. Page and alerts are built at the start."""


def load_ahead(names: Iterable[str]) -> None:
    """Import these modules. Call it before the first connection and the first thread."""
    for name in names:
        import_module(name)
