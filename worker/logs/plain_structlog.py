"""structlog, imported without rich.

structlog imports rich wherever it is installed, to draw tracebacks. The log has none: `exceptions` describes an error
in words. rich takes longer to import than structlog itself, and every command would wait for it. structlog does without
rich where that isn't installed, and so it does here. Whoever needs rich still imports it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _seemingly_missing(name: str) -> Iterator[None]:
    """Let an import of this module fail in the block, unless it is already there."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own mark of a module that can't be imported
    try:
        yield
    finally:
        del sys.modules[name]


with _seemingly_missing("rich"):
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

__all__ = ["EventDict", "FilteringBoundLogger", "Processor", "WrappedLogger", "structlog"]
