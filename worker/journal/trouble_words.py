"""Why the journal can't be used, in our own words. What the database says may name hosts and files: it isn't logged."""

from dataclasses import dataclass
from typing import Final

from worker.journal.database import JournalDamaged, JournalUnprotected


@dataclass(frozen=True, slots=True)
class JournalTrouble:
    """name: one word. fact: what is wrong, as a sentence. advice: what a person does about it."""

    name: str
    fact: str
    advice: str

    @property
    def is_known(self) -> bool:
        """Whether we know what the database's text means."""
        return self.name != _OTHER.name


_FOLDER: Final = "the folder of `[state] dir`"
_KNOWN: Final[tuple[tuple[tuple[str, ...], JournalTrouble], ...]] = (
    (
        ("could not translate host name", "name or service not known", "failed to resolve host"),
        JournalTrouble(
            "name-not-resolved",
            "The name of the database server can't be resolved.",
            "Check the host's name in `[state] journal`, and this machine's name server.",
        ),
    ),
    (
        ("received invalid response to ssl negotiation",),
        JournalTrouble(
            "not-a-database-port",
            "What answers at the database's port doesn't speak TLS as PostgreSQL does.",
            "Check host and port in `[state] journal`.",
        ),
    ),
    (
        ("disk is full", "no space left"),
        JournalTrouble("disk-full", "No space is left on the journal's disk.", f"Free space on the disk of {_FOLDER}."),
    ),
    (
        ("readonly database", "read-only", "permission denied"),
        JournalTrouble(
            "not-writable",
            "The journal may not be written.",
            f"Give the worker's user the right to write in {_FOLDER}.",
        ),
    ),
    (
        ("unable to open",),
        JournalTrouble("not-opened", "The journal's file can't be opened.", f"Look whether {_FOLDER} is there."),
    ),
    (
        ("database is locked",),
        JournalTrouble(
            "locked",
            "Another process keeps the journal locked.",
            f"Find out which process has opened the files in {_FOLDER}.",
        ),
    ),
    (
        ("disk i/o error",),
        JournalTrouble("disk-error", "The journal's disk reports errors.", f"Look at the disk of {_FOLDER}."),
    ),
    (
        (
            "connection refused",
            "connection reset",
            "closed the connection",
            "closed unexpectedly",
            "terminating connection",
            "connection is lost",
            "connection is closed",
            "no connection to the server",
            "broken pipe",
            "eof detected",
            "no route to host",
            "network is unreachable",
            "the database system is",  # starting up, shutting down, in recovery mode, not yet accepting connections
        ),
        JournalTrouble(
            "server-away",
            "The database server can't be reached.",
            "Look whether the server of `[state] journal` runs, and whether this machine can reach it.",
        ),
    ),
    (
        ("timeout", "timed out"),
        JournalTrouble(
            "timeout",
            "The database server doesn't answer in time.",
            "Look at the server of `[state] journal`, and at the network to it.",
        ),
    ),
    (
        ("password authentication failed", "no pg_hba.conf entry"),
        JournalTrouble(
            "not-let-in",
            "The database server doesn't let the worker in.",
            "Check user and password in `[state] journal`, and the server's `pg_hba.conf`.",
        ),
    ),
)
_DAMAGED: Final = JournalTrouble(
    "damaged",
    "The journal is damaged.",
    "Stop every worker. Then run `nhsmail-worker journal rebuild`.",
)
_OTHER: Final = JournalTrouble(
    "other",
    "The journal can't be used.",
    f"Free the disk of {_FOLDER}, or bring the database back.",
)


def trouble_with_journal(error: Exception) -> JournalTrouble:
    """Why the journal can't be used, and what a person does about it."""
    if isinstance(error, JournalDamaged):
        return _DAMAGED
    if isinstance(error, JournalUnprotected):
        return JournalTrouble("not-protected", "The database server can't be used without trusted TLS.", error.advice)
    said = str(error).lower()
    return next((trouble for texts, trouble in _KNOWN if any(text in said for text in texts)), _OTHER)
