"""From a message to its handlers, by the rules of the configuration.

Junk has a table of its own, so that no rule for clean mail can be reached from it. Conditions on headers
are looked at first; a message is parsed only where a rule on its parts is still in question. Where that can't be done,
`MessageError` goes up: a message that can't be read never slips past a rule to the next one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import re2  # type: ignore[import-untyped]  # it has no stubs

from worker.classify.kinds import Kind, kinds
from worker.message.mime.compose import composed
from worker.message.mime.limits import MessageError, MessageOverLimit
from worker.message.verdict import Evidence, Path
from worker.settings.routes import MatchSettings, Pattern, RouteSettings, SizeMatch

JUNK_ROUTE = "junk"
"""The name under which the junk path appears where a route's name is asked for."""
KINDS = (Kind.MALWARE, Kind.PHISHING, Kind.BULK, Kind.SPAM)
"""The kinds of junk, the most particular first: what lies in the junk folder is spam, whatever else it is."""


class Attached(Protocol):
    """What rules look at in an attachment."""

    @property
    def filename(self) -> str | None: ...
    @property
    def content_type(self) -> str: ...
    @property
    def detected_type(self) -> str: ...
    @property
    def mismatched(self) -> bool: ...


class Named(Protocol):
    """The headers, by name, as a person would read them. truncated: there are more of them than were read."""

    @property
    def truncated(self) -> bool: ...
    def get_all(self, name: str) -> list[str]: ...


class Routable(Protocol):
    """What rules look at in a message. `attachments` raises `MessageError` where the message can't be taken apart."""

    @property
    def path(self) -> Path: ...
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
class Routed:
    """Where a message goes.

    route: the name of the first rule that took it. routes: of all that did, where rules go on.
    handlers: each once, in order. by_route: the same by the rules that named them, each with the first that did.
    """

    route: str
    routes: tuple[str, ...]
    handlers: tuple[str, ...]
    by_route: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """What one rule made of a message. Holds the names of conditions, and nothing of the message.

    matched: None where the message's parts, which the rule asks for, can't be read.
    conditions: each with whether it holds; None where it can't be told.
    takes: whether the message goes to this rule's handlers; False as well where an earlier rule took it.
    """

    route: str
    matched: bool | None
    takes: bool
    handlers: tuple[str, ...]
    conditions: tuple[tuple[str, bool | None], ...]


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A rule that no message can come to, and why, in words."""

    route: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Condition:
    name: str
    holds: Callable[[Routable], bool]
    needs_parts: bool = False


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    handlers: tuple[str, ...]
    goes_on: bool
    conditions: tuple[_Condition, ...]

    def takes(self, message: Routable) -> bool:
        return all(condition.holds(message) for condition in self.conditions)


class Router:
    """The rules, compiled. Safe to use from several threads."""

    def __init__(
        self,
        routes: Sequence[RouteSettings],
        junk_handlers: Sequence[str],
        junk_kinds: Mapping[Kind, Sequence[str]] | None = None,
    ) -> None:
        """junk_kinds: handlers of their own for kinds of junk; of a message's kinds the first of `KINDS` decides."""
        self._routes = tuple(routes)
        self._clean = tuple(_compiled(route) for route in routes)
        self._junk = _junk_route(junk_handlers)
        given = junk_kinds or {}
        self._kinds = {kind: _junk_route(given[kind]) for kind in KINDS if kind in given}

    def route(self, message: Routable) -> Routed:
        """Where the message goes: junk to the junk handlers, whatever the rules say; clean mail by the rules.

        Raises:
            MessageError: a rule asks for parts that can't be read, or there are more headers than are read; or
                (LookupError) no rule takes the message, which checked settings rule out.
        """
        if message.path is not Path.CLEAN:
            return self._junk_of(message)
        if message.headers.truncated:
            raise MessageOverLimit("header_bytes")
        taken = list(self._taking(message))
        if not taken:
            raise LookupError("no route takes this message: the last route must have no match")
        return _routed([(rule.name, rule.handlers) for rule in taken])

    def handlers_for(self, message: Routable) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The names of the rules that take the message, each with its handlers. Raises as `route` does."""
        return self.route(message).by_route

    def _junk_of(self, message: Routable) -> Routed:
        found = kinds(message.evidence) if self._kinds else frozenset[Kind]()
        return next((routed for kind, routed in self._kinds.items() if kind in found), self._junk)

    def _taking(self, message: Routable) -> Iterator[_Rule]:
        for rule in self._clean:
            if rule.takes(message):
                yield rule
                if not rule.goes_on:
                    return

    def explain(self, message: Routable) -> list[Explained]:
        """What each rule makes of the message, in order; one entry for junk. Never raises `MessageError`."""
        if message.path is not Path.CLEAN:
            return [Explained(JUNK_ROUTE, True, True, self._junk_of(message).handlers, (("path", True),))]
        explained: list[Explained] = []
        ended = False
        for rule in self._clean:
            conditions = tuple((condition.name, _can_tell(condition, message)) for condition in rule.conditions)
            matched = None if message.headers.truncated else _all_of([holds for _, holds in conditions])
            explained.append(Explained(rule.name, matched, matched is True and not ended, rule.handlers, conditions))
            if matched is None and not ended:
                # A dead letter: no later rule takes it, and no earlier one that would have gone on.
                explained = [replace(one, takes=False) for one in explained]
            ended = ended or matched is None or (matched and not rule.goes_on)
        return explained

    def unreachable(self) -> list[Unreachable]:
        """The rules that can never match: for `check`. Sound, not complete: what it names is certain."""
        found: list[Unreachable] = []
        for number, route in enumerate(self._routes):
            if route.match and route.match.path == ("junk",):
                found.append(Unreachable(route.name, "rules see clean mail only; junk goes to [junk] handlers"))
                continue
            shadow = next((other for other in self._routes[:number] if _shadows(other, route)), None)
            if shadow is not None:
                found.append(Unreachable(route.name, f"{shadow.name}, before it, takes every message that it could"))
        return found


def _junk_route(handlers: Sequence[str]) -> Routed:
    return _routed([(JUNK_ROUTE, handlers)])


def _routed(rules: Sequence[tuple[str, Sequence[str]]]) -> Routed:
    """By the names of the rules that took a message, and their handlers."""
    named: set[str] = set()
    by_route = []
    for name, handlers in rules:
        by_route.append((name, tuple(handler for handler in _once(handlers) if handler not in named)))
        named.update(handlers)
    names = tuple(name for name, _ in rules)
    return Routed(names[0], names, _once(handler for _, handlers in rules for handler in handlers), tuple(by_route))


def _can_tell(condition: _Condition, message: Routable) -> bool | None:
    try:
        return condition.holds(message)
    except MessageError:
        return None


def _all_of(answers: Sequence[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


# --- compiling -------------------------------------------------------------------------------------------------------


def _compiled(route: RouteSettings) -> _Rule:
    conditions = sorted(_conditions(route.match), key=lambda condition: condition.needs_parts) if route.match else []
    return _Rule(route.name, _once(route.handlers), route.continue_, tuple(conditions))


def _conditions(match: MatchSettings) -> Iterator[_Condition]:
    """The conditions of a rule, the cheap ones first; those that need the message's parts come last."""
    if match.path is not None:
        yield _one_of("path", match.path, lambda message: message.path.value)
    if match.size is not None:
        yield _Condition("size", _within(match.size))
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
) -> _Condition:
    matches = any_pattern(patterns)
    return _Condition(name, lambda message: any(matches(text) for text in texts(message)), needs_parts)


def _one_of(
    name: str, wanted: Sequence[str], value: Callable[[Routable], str], *, needs_parts: bool = False
) -> _Condition:
    return _Condition(name, lambda message: value(message) in wanted, needs_parts)


def _readable(message: Routable) -> Routable:
    """The message, whose parts can be read. Raises MessageError otherwise: what its headers alone say is not enough.

    A report without its PDF, or a bounce, that can't be taken apart would else pass for plain mail.
    """
    _ = message.attachments
    return message


def _within(size: SizeMatch) -> Callable[[Routable], bool]:
    def holds(message: Routable) -> bool:
        return (size.over is None or message.size > size.over) and (size.under is None or message.size < size.under)

    return holds


def _attachment(match: MatchSettings) -> _Condition:
    """One and the same attachment must have the name and the type, and be what it claims, or not."""
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
    return _Condition(name, lambda message: any(fits(attachment) for attachment in message.attachments), True)


def _header(name: str) -> Callable[[Routable], list[str]]:
    return lambda message: message.headers.get_all(name)


def _with_bare(addresses: Iterable[str]) -> Iterator[str]:
    """Each address, and without its tag where it has one: `lab+results@nhs.net` is a message to `lab@nhs.net` too."""
    for address in addresses:
        yield address
        local, at, domain = address.rpartition("@")
        base, plus, _ = local.partition("+")
        if base and plus:
            yield base + at + domain


def any_pattern(patterns: Sequence[Pattern]) -> Callable[[str], bool]:
    """Whether a text fits one of the patterns."""
    tests = [_test(pattern) for pattern in patterns]

    def matches(text: str) -> bool:
        plain = _plain(text)
        return any(test(plain) for test in tests)

    return matches


def _test(pattern: Pattern) -> Callable[[str], Any]:
    """A glob is held against the whole text without regard to case; a regular expression is looked for, as it is."""
    options = re2.Options()
    options.log_errors = False
    if pattern.regex is not None:
        search: Callable[[str], Any] = re2.compile(pattern.regex, options).search
        return search
    fullmatch: Callable[[str], Any] = re2.compile(_glob(pattern.glob or ""), options).fullmatch
    return fullmatch


def _glob(glob: str) -> str:
    """As RE2, in time linear in the text. Only `*` and `?` are special: subjects have brackets of their own."""
    special = {"*": ".*", "?": "."}
    return "(?is)" + "".join(special.get(char) or re2.escape(char) for char in _plain(glob))


def _plain(text: str) -> str:
    """One way to write each text: composed, and without the lone surrogates that stand for undecodable bytes."""
    if text.isascii():
        return text
    return composed(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


# --- rules that can never match --------------------------------------------------------------------------------------


def _shadows(earlier: RouteSettings, later: RouteSettings) -> bool:
    """Whether the earlier rule ends the search for every message that the later one could take."""
    if earlier.continue_:
        return False
    if earlier.takes_all:
        return True
    if earlier.match is None or later.match is None:
        return False
    return _covers(earlier.match, later.match)


def _covers(wide: MatchSettings, narrow: MatchSettings) -> bool:
    """Whether each condition of the one follows from a condition of the other."""
    texts = ("from_", "to", "subject", "attachment", "attachment_type", "notice")
    if not all(_patterns_cover(getattr(wide, key), getattr(narrow, key)) for key in texts):
        return False
    # Name and type must be those of one attachment: neither condition follows from the other alone.
    if (
        wide.attachment is not None
        and wide.attachment_type is not None
        and None
        in (
            narrow.attachment,
            narrow.attachment_type,
        )
    ):
        return False
    if wide.mismatched not in (None, narrow.mismatched):
        return False
    narrow_headers = {name.lower(): patterns for name, patterns in (narrow.header or {}).items()}
    return (
        all(
            _patterns_cover(patterns, narrow_headers.get(name.lower()))
            for name, patterns in (wide.header or {}).items()
        )
        and all(_set_covers(getattr(wide, key), getattr(narrow, key)) for key in ("kind", "protection"))
        and _set_covers(wide.path, narrow.path or ("clean",))
        and _range_covers(wide.size, narrow.size)
    )


def _patterns_cover(wide: Sequence[Pattern] | None, narrow: Sequence[Pattern] | None) -> bool:
    if wide is None:
        return True
    return narrow is not None and all(any(_pattern_covers(one, other) for one in wide) for other in narrow)


def _pattern_covers(wide: Pattern, narrow: Pattern) -> bool:
    if wide == narrow:
        return True
    if wide.glob is None or narrow.glob is None or "?" in wide.glob:
        return False
    # What a `*` of the wide glob takes may hold any wildcard of the narrow one; its letters can't.
    return bool(_test(wide)(_plain(narrow.glob)))


def _set_covers(wide: Sequence[str] | None, narrow: Sequence[str] | None) -> bool:
    return wide is None or (narrow is not None and set(narrow) <= set(wide))


def _range_covers(wide: SizeMatch | None, narrow: SizeMatch | None) -> bool:
    if wide is None:
        return True
    if narrow is None:
        return wide.over is None and wide.under is None
    over = wide.over is None or (narrow.over is not None and narrow.over >= wide.over)
    return over and (wide.under is None or (narrow.under is not None and narrow.under <= wide.under))
