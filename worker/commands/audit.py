"""The commands about the audit trail: verify it, and read it."""

from collections.abc import Iterator
from typing import Any

from worker.commands.context import Context
from worker.observe.audit.verify import Verification, verify


def audit_verify(context: Context, *, every: bool = False) -> Verification:
    """Check the audit trail against itself and against the journal.

    every: also report the chains of other hosts as missing, although they lie in those hosts' own state folders.
    """
    state = context.settings.state
    shared = (state.journal is not None or state.journal_file is not None) and not every
    with context.opened():
        return verify(context.parts.observing().audit, shared=shared)


def audit_entries(context: Context) -> Iterator[dict[str, Any]]:
    """Every line of the audit trail, chain by chain, oldest first."""
    with context.opened():
        yield from context.parts.observing().audit.folder.entries()
