"""The commands about the audit trail: is it as the worker wrote it, and what it says."""

from collections.abc import Iterator
from typing import Any

from worker.commands.context import Context
from worker.observe.audit.verify import Verification, verify


def audit_verify(context: Context, *, every: bool = False) -> Verification:
    """Hold the audit trail against itself and against the journal. every: miss other hosts' chains too."""
    state = context.settings.state
    shared = (state.journal is not None or state.journal_file is not None) and not every
    with context.opened():
        return verify(context.parts.observing().audit, shared=shared)


def audit_entries(context: Context) -> Iterator[dict[str, Any]]:
    """Every line of the audit trail, one chain after another, oldest first."""
    with context.opened():
        yield from context.parts.observing().audit.folder.entries()
