"""What leaves this machine in clear text because `allow_clear` says so, and what may not."""

from contextlib import suppress
from typing import TYPE_CHECKING

from worker.journal.database import url_fault
from worker.settings import Settings, clear_tables, read_secret

if TYPE_CHECKING:  # a command that only reads the journal checks its URL, and waits for neither
    from worker.commands.wiring.shared import Parts
    from worker.handling.handler_set import Handlers


def clear_text(parts: "Parts", handlers: "Handlers") -> list[str]:
    """Return the tables of the configuration whose servers are on another machine and spoken to in clear text."""
    journal = ["state"] if parts.journal.database.is_clear else []
    return [*journal, *clear_tables(parts.settings), *(f"handler.{name}" for name in handlers.clear)]


def check_journal_url(settings: Settings) -> list[str]:
    """Return what is wrong with the journal's URL: it can't be read, or its connection wouldn't be protected."""
    url = None
    with suppress(OSError, ValueError):  # said of the file by another check
        url = read_secret(settings.state.journal, settings.state.journal_file)
    if url is None:
        return []
    fault = url_fault(url.get_secret_value(), allow_clear=settings.state.allow_clear)
    name = "journal" if settings.state.journal_file is None else "journal_file"
    return [] if fault is None else [f"[state] {name}: {fault}."]
