"""`route explain`: which route takes a message in a file, and why. Needs no connection and writes nothing."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from worker.classify import classify
from worker.commands.wiring.from_settings import classify_of, limits_of, router_of
from worker.handling.routing.router import Explained, Routed, Router
from worker.mailbox.folder_names import named_junk
from worker.message.key import fingerprint
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits, MessageError
from worker.message.verdict import Evidence, MailPath
from worker.settings import Settings
from worker.testing import ACCOUNT, RECEIVED


class Fate(StrEnum):
    """What happens to a message before any handler is called."""

    HANDLERS = "handlers"
    DEAD_LETTER = "dead-letter"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a message would go, and why. Holds no content: only names of conditions, and evidence.

    reason: why no handler gets it, as one of our words; None if a handler does.
    routes: the routes that take it, in order. handlers: each one once, in order.
    rules: the result of each rule.
    unreadable: why it can't be parsed, as one of our words. If a handler asks for a part, the message becomes a dead
    letter.
    """

    path: MailPath
    evidence: tuple[Evidence, ...]
    fate: Fate
    reason: str | None
    routes: tuple[str, ...]
    handlers: tuple[str, ...]
    rules: tuple[Explained, ...]
    unreadable: str | None

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "path": str(self.path),
            "evidence": [asdict(piece) for piece in self.evidence],
            "comes_to": str(self.fate),
            "reason": self.reason,
            "routes": list(self.routes),
            "handlers": list(self.handlers),
            "rules": [_rule(rule) for rule in self.rules],
            "unreadable": self.unreadable,
        }


def _rule(rule: Explained) -> dict[str, Any]:
    conditions = [{"condition": name, "holds": holds} for name, holds in rule.conditions]
    return {
        "route": rule.route,
        "matched": rule.matched,
        "takes": rule.takes,
        "handlers": list(rule.handlers),
        "conditions": conditions,
    }


class NotAMessage(Exception):
    """The file isn't a message as mail programs save it. The text is for the user."""


def read_message(path: Path, settings: Settings | None = None, folder: str | None = None) -> Message:
    """Read a message from a file, as the worker would see it in a folder of the mailbox.

    settings: how to classify and limit it; None uses the defaults. folder: None is the first watched folder.

    Raises:
        NotAMessage: the file isn't a message.
        OSError: the file can't be read.
    """
    raw = path.read_bytes()
    _require_message(path, raw)
    headers = Headers.from_bytes(raw)
    place, limits = "INBOX", Limits()
    verdict = classify(headers, in_junk_folder=False)
    if settings is not None:
        place, limits = folder or settings.poll.folders[0], limits_of(settings)
        verdict = classify_of(settings)(headers, named_junk(place, settings.junk.folder), frozenset())
    return Message(
        raw,
        key=fingerprint(ACCOUNT, headers),  # not the real account, or its key could be a received message's
        folder=place,
        received_at=RECEIVED,
        verdict=verdict,
        headers=headers,
        limits=limits,
    )


_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def _require_message(path: Path, raw: bytes) -> None:
    """Raise NotAMessage if the file isn't one. People try Outlook's .msg files first, so those get their own text."""
    if raw.startswith(_OLE):
        raise NotAMessage(f"{path} is Outlook's own kind of file (.msg). Save the message as .eml, and give that.")
    if not Headers.from_bytes(raw):
        raise NotAMessage(f"{path} has no headers, so it isn't a message. Save one from a mail program as .eml.")


def explain(message: Message, settings: Settings) -> Explanation:
    """What the worker would do with a message before it calls a handler. Raises nothing."""
    router = router_of(settings)
    fate, reason, routed = _fate(message, router, settings.limits.message)
    rules = router.explain(message)
    if routed is None:
        rules = [replace(rule, takes=False) for rule in rules]
    return Explanation(
        path=message.path,
        evidence=message.evidence,
        fate=fate,
        reason=reason,
        routes=routed.routes if routed else (),
        handlers=routed.handlers if routed else (),
        rules=tuple(rules),
        unreadable=_unreadable(message),
    )


def _fate(message: Message, router: Router, largest: int) -> tuple[Fate, str | None, Routed | None]:
    """Check in the worker's order: oversize mail is never fetched, and a placeholder is never routed."""
    if message.size > largest:
        return Fate.DEAD_LETTER, "oversize", None
    if message.stand_in is not None:
        return Fate.LATER, f"stand-in:{message.stand_in}", None
    try:
        return Fate.HANDLERS, None, router.route(message)
    except MessageError as error:
        return Fate.DEAD_LETTER, f"unparsed:{error.word}", None


def _unreadable(message: Message) -> str | None:
    try:
        _ = message.attachments
    except MessageError as error:
        return error.word
    return None
