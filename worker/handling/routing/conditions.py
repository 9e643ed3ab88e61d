"""The conditions of a route: what each reads of a message, and patterns that are matched in linear time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from worker.classify.kinds import Kind
from worker.message.mime.compose import composed
from worker.message.verdict import Evidence, MailPath
from worker.settings.routes import MatchSettings, Pattern, RouteSettings, SizeMatch

KINDS = (Kind.MALWARE, Kind.PHISHING, Kind.BULK, Kind.SPAM)
"""The kinds of junk, the most specific first: everything in the junk folder is spam, whatever else it is."""


class Attached(Protocol):
    """What rules read of an attachment."""

    @property
    def filename(self) -> str | None: ...
    @property
    def content_type(self) -> str: ...
    @property
    def detected_type(self) -> str: ...
    @property
    def mismatched(self) -> bool: ...


class Named(Protocol):
    """Decoded headers by name. truncated: there were more than were read. over_limit: more than this limit says."""

    @property
    def truncated(self) -> bool: ...
    @property
    def over_limit(self) -> str | None: ...
    def get_all(self, name: str) -> list[str]: ...


class Routable(Protocol):
    """What rules read of a message. `attachments` raises `MessageError` if the message can't be parsed."""

    @property
    def path(self) -> MailPath: ...
    @property
    def evidence(self) -> Sequence[Evidence]: ...
    @property
    def headers(self) -> Named: ...
    @property
    def sender(self) -> str | None: ...
    @property
    def to(self) -> Sequence[str]: ...
    @property
    def cc(self) -> Sequence[str]: ...
    @property
    def size(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def protection(self) -> str | None: ...
    @property
    def notices(self) -> Sequence[str]: ...
    @property
    def attachments(self) -> Sequence[Attached]: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule. needs_parts: whether it reads more of a message than its headers."""

    name: str
    holds: Callable[[Routable], bool]
    needs_parts: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled route: takes a message if all its conditions hold. goes_on: whether later rules are asked too."""

    name: str
    handlers: tuple[str, ...]
    goes_on: bool
    conditions: tuple[Condition, ...]

    def takes(self, message: Routable) -> bool:
        return all(condition.holds(message) for condition in self.conditions)


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names in order, each once."""
    return tuple(dict.fromkeys(names))


def compiled(route: RouteSettings) -> Rule:
    """The rule, with conditions that need no parts first."""
    conditions = sorted(_conditions(route.match), key=lambda condition: condition.needs_parts) if route.match else []
    return Rule(route.name, distinct(route.handlers), route.continue_, tuple(conditions))


def _conditions(match: MatchSettings) -> Iterator[Condition]:
    """The conditions of a rule, the cheap ones first; those that need the message's parts come last."""
    if match.path is not None:
        yield _one_of("path", match.path, lambda message: message.path.value)
    if match.size is not None:
        yield Condition("size", _within(match.size))
    if match.from_ is not None:
        yield _text("from", match.from_, lambda message: [message.sender or ""])
    if match.to is not None:
        yield _text("to", match.to, lambda message: _with_bare([*message.to, *message.cc]))
    if match.subject is not None:
        yield _text("subject", match.subject, _header("Subject"))
    for name, patterns in (match.header or {}).items():
        yield _text(f"header.{name}", patterns, _header(name))
    if match.kind is not None:
        yield _one_of("kind", match.kind, lambda message: _readable(message).kind, needs_parts=True)
    if match.protection is not None:
        yield _one_of(
            "protection", match.protection, lambda message: _readable(message).protection or "none", needs_parts=True
        )
    if match.notice is not None:
        yield _text("notice", match.notice, lambda message: _readable(message).notices, needs_parts=True)
    if any(given is not None for given in (match.attachment, match.attachment_type, match.mismatched)):
        yield _attachment(match)


def _text(
    name: str,
    patterns: Sequence[Pattern],
    texts: Callable[[Routable], Iterable[str]],
    *,
    needs_parts: bool = False,
) -> Condition:
    matches = any_pattern(patterns)
    return Condition(name, lambda message: any(matches(text) for text in texts(message)), needs_parts)


def _one_of(
    name: str, wanted: Sequence[str], value: Callable[[Routable], str], *, needs_parts: bool = False
) -> Condition:
    return Condition(name, lambda message: value(message) in wanted, needs_parts)


def _readable(message: Routable) -> Routable:
    """The message, once its parts have been read. Raises `MessageError` if they can't be.

    The headers alone aren't enough: an unreadable bounce, or a report with a damaged PDF, would pass for plain mail.
    """
    _ = message.attachments
    return message


def _within(size: SizeMatch) -> Callable[[Routable], bool]:
    def holds(message: Routable) -> bool:
        return (size.over is None or message.size > size.over) and (size.under is None or message.size < size.under)

    return holds


def _attachment(match: MatchSettings) -> Condition:
    """All conditions on attachments together, because one attachment must meet them all."""
    named = any_pattern(match.attachment) if match.attachment is not None else None
    typed = any_pattern(match.attachment_type) if match.attachment_type is not None else None

    def fits(attachment: Attached) -> bool:
        if named is not None and not named(attachment.filename or ""):
            return False
        if typed is not None and not (typed(attachment.content_type) or typed(attachment.detected_type)):
            return False
        return match.mismatched is None or attachment.mismatched is match.mismatched

    keys = ("attachment", "attachment_type", "mismatched")
    name = " and ".join(key for key in keys if getattr(match, key) is not None)
    return Condition(name, lambda message: any(fits(attachment) for attachment in message.attachments), True)


def _header(name: str) -> Callable[[Routable], list[str]]:
    return lambda message: message.headers.get_all(name)


def _with_bare(addresses: Iterable[str]) -> Iterator[str]:
    """Each address, and also without its tag: a message to `lab+results@nhs.net` is one to `lab@nhs.net` too."""
    for address in addresses:
        yield address
        local, at, domain = address.rpartition("@")
        base, plus, _ = local.partition("+")
        if base and plus:
            yield base + at + domain


def any_pattern(patterns: Sequence[Pattern]) -> Callable[[str], bool]:
    """A test of whether a text matches one of the patterns."""
    tests = [tester_of(pattern) for pattern in patterns]

    def matches(text: str) -> bool:
        plain = as_plain(text)
        return any(test(plain) for test in tests)

    return matches


def tester_of(pattern: Pattern) -> Callable[[str], Any]:
    """A test for one pattern: a glob must match the whole text, in any case; a regular expression is searched for."""
    import re2  # type: ignore[import-untyped]  # it has no stubs; loaded only if a route has a pattern

    options = re2.Options()
    options.log_errors = False
    if pattern.regex is not None:
        search: Callable[[str], Any] = re2.compile(pattern.regex, options).search
        return search
    fullmatch: Callable[[str], Any] = re2.compile(_glob(pattern.glob or ""), options).fullmatch
    return fullmatch


def _glob(glob: str) -> str:
    """The glob as a regular expression. Only `*` and `?` are special: brackets are common in subjects."""
    import re2  # as in `tester_of`

    special = {"*": ".*", "?": "."}
    return "(?is)" + "".join(special.get(char) or re2.escape(char) for char in as_plain(glob))


def as_plain(text: str) -> str:
    """The text in Unicode's composed form, without the lone surrogates that stand for undecodable bytes."""
    if text.isascii():
        return text
    return composed(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
