"""`route explain`: which route takes a message in a file, and why. Needs no connection and writes nothing."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from worker.commands.wiring.from_settings import router_of
from worker.handling.routing.router import Explained, Routed, Router
from worker.message.message import Message
from worker.message.mime.limits import MessageError
from worker.message.verdict import Evidence, MailPath
from worker.settings import Settings


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
