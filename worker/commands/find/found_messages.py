"""What `find` found, and what it looked at, as values and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from worker.commands.find.folder_find import FolderLook
from worker.journal.histories import HandlerHistory, History
from worker.journal.records import Record
from worker.logs.redaction import rfc3339
from worker.message.outcome import State


class Presence(StrEnum):
    """Where a message is, by the mailbox and by the journal."""

    IN_PLACE = "in-place"
    """It lies where the journal says."""
    ELSEWHERE = "elsewhere"
    """It has the headers of a message that the journal has in another place."""
    NOT_TAKEN_UP = "not-taken-up"
    """It lies in a watched folder, and the journal has no row for it yet."""
    TOO_OLD = "too-old"
    """It lies in a watched folder, and `[poll] since` leaves it alone."""
    UNWATCHED = "unwatched"
    """It lies in a folder that the worker doesn't watch, and the journal has no row for it."""
    NOT_IN_PLACE = "not-in-place"
    """The journal has it in a place where it doesn't lie."""
    NOT_SHOWN = "not-shown"
    """It lies where the journal says, and the server doesn't show its headers."""
    NOT_SEEN = "not-seen"
    """The journal has it in a folder, without saying where there, and it wasn't among the messages looked at."""
    TAKEN_AWAY = "taken-away"
    """Somebody took it away before it was done."""
    DELETED = "deleted"
    """The worker deleted it, as the settings say."""


@dataclass(frozen=True, slots=True)
class Found:
    """One message. Every text is safe to print.

    folder: where it lies in the mailbox, or else where the journal has it. sender, subject: None if the mailbox didn't
    show it. routes: those that take it by today's rules; None: its content would have to be read to tell.
    """

    presence: Presence
    folder: str
    received_at: float
    sender: str | None
    subject: str | None
    record: Record | None = None
    history: History | None = None
    routes: tuple[str, ...] | None = None

    @property
    def key(self) -> str | None:
        return None if self.record is None else self.record.key

    @property
    def next_command(self) -> str | None:
        """The command that shows more of it, or has it handled again, without the program's name."""
        if self.record is None or self.sender is None:
            return None
        if self.record.state is State.HANDLED and self.presence is Presence.IN_PLACE:
            return f'handle {self.record.key} --reason "…"'
        group = {State.FAILED: "failed", State.JUNK: "junk"}.get(self.record.state)
        return None if group is None else f"{group} show {self.record.key}"

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        record, history = self.record, self.history
        known: dict[str, Any] = {}
        if record is not None and history is not None:
            known = {
                "state": record.state.value,
                "journal_folder": record.place.folder,
                "path": record.verdict.path.value,
                "evidence": [asdict(piece) for piece in record.verdict.evidence],
                "reason": record.reason,
                "outcome_at": time_of(history.outcome_at),
                "tries": record.tries,
                "next_try_at": time_of(record.next_at) if record.state is State.PENDING else None,
                "released": record.released,
                "handlers": [_handler(one) for one in history.handlers],
                "routes": None if self.routes is None else list(self.routes),
            }
        return {
            "key": self.key,
            "presence": self.presence.value,
            "folder": self.folder,
            "received_at": time_of(self.received_at),
            "from": self.sender,
            "subject": self.subject,
            "next_command": self.next_command,
            "journal": known or None,
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """The answer. found: the newest first.

    more: whether there are more than these. looks: what was looked at. not_searched: the other folders that hold mail.
    by_hash: how many messages the journal named by the keyed hash of a sender's address; None: no address was given.
    without_sender: how many it couldn't name so, because it doesn't know their senders. not_compared: how many it names
    that aren't in the mailbox, so that nobody can tell whether they have the texts that were looked for. quick: all
    lie in their places, so nothing else was read.
    """

    found: tuple[Found, ...]
    more: bool
    looks: tuple[FolderLook, ...]
    not_searched: tuple[str, ...]
    by_hash: int | None = None
    without_sender: int = 0
    not_compared: int = 0
    quick: bool = False

    @property
    def complete(self) -> bool:
        """Whether the headers of everything in question were read, so that what wasn't found isn't there."""
        return not self.not_searched and all(look.complete for look in self.looks)

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "found": [one.as_json() for one in self.found],
            "more": self.more,
            "complete": self.complete,
            "searched": [_look(look) for look in self.looks],
            "not_searched": list(self.not_searched),
            "named_by_sender_hash": self.by_hash,
            "without_sender_hash": self.without_sender,
            "not_compared": self.not_compared,
        }


def _handler(one: HandlerHistory) -> dict[str, Any]:
    return {
        "handler": one.handler,
        "path": one.path.value,
        "done_at": time_of(one.done_at),
        "failed_tries": one.tries,
        "reason": None if one.failure is None else one.failure.reason,
        "failed_at": None if one.failure is None else time_of(one.failure.at),
    }


def _look(look: FolderLook) -> dict[str, Any]:
    return {
        "folder": look.folder,
        "messages": look.messages,
        "complete": look.complete,
        "named_by_search": look.named,
        "search_refused": look.refused,
        "dates_read": look.dated,
        "headers_read": look.read,
        "headers_not_shown": look.hidden,
        "not_read": look.skipped + look.left,
        "not_opened": look.unopened or None,
    }


def time_of(at: float | None) -> str | None:
    """A time (epoch s) in JSON."""
    return None if at is None else rfc3339(datetime.fromtimestamp(at, UTC))


def newest_first(found: Sequence[Found]) -> list[Found]:
    """In the order in which they are shown."""
    return sorted(found, key=lambda one: (-one.received_at, one.folder, one.key or ""))
