"""Routes a message to its handlers by the rules of the configuration.

Junk has a table of its own, so that it can't reach a rule for clean mail. Conditions on headers are checked first; the
message is only parsed if a rule still depends on its parts. If it can't be parsed, `MessageError` is raised, so that an
unreadable message never slips past a rule to the next one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from worker.classify.kinds import Kind, kinds
from worker.handling.routing.conditions import KINDS, Condition, Routable, Rule, compiled, distinct
from worker.message.mime.limits import MessageError, MessageOverLimit
from worker.message.verdict import MailPath
from worker.settings.routes import RouteSettings

JUNK_ROUTE = "junk"
"""The name of the junk path where a route's name is wanted."""


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a message goes.

    route: the name of the first rule that takes it. routes: the names of all rules that do.
    handlers: each once, in order. by_route: the same handlers by rule, each under the first rule that names it.
    """

    route: str
    routes: tuple[str, ...]
    handlers: tuple[str, ...]
    by_route: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """How one rule applies to a message. Contains no content of the message.

    matched: None if the rule depends on parts of the message that can't be read.
    takes: whether the message goes to this rule's handlers; False also if an earlier rule keeps it.
    conditions: the name of each, and whether it holds; None if that can't be determined.
    """

    route: str
    matched: bool | None
    takes: bool
    handlers: tuple[str, ...]
    conditions: tuple[tuple[str, bool | None], ...]


class Router:
    """The compiled rules. Thread-safe."""

    def __init__(
        self,
        routes: Sequence[RouteSettings],
        junk_handlers: Sequence[str],
        junk_kinds: Mapping[Kind, Sequence[str]] | None = None,
    ) -> None:
        """junk_kinds: separate handlers for kinds of junk. If a message is of several, the first in `KINDS` decides."""
        self._clean = tuple(compiled(route) for route in routes)
        self._junk = _junk_route(junk_handlers)
        given = junk_kinds or {}
        self._kinds = {kind: _junk_route(given[kind]) for kind in KINDS if kind in given}

    def route(self, message: Routable) -> Routed:
        """Route the message: junk to the junk handlers, clean mail by the rules.

        Raises:
            MessageError: a rule depends on parts that can't be read, or the headers exceed their limit.
            LookupError: no rule takes the message. Validated settings rule that out.
        """
        if message.path is not MailPath.CLEAN:
            return self._junk_of(message)
        if (limit := message.headers.over_limit) is not None:
            raise MessageOverLimit(limit)
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

    def _taking(self, message: Routable) -> Iterator[Rule]:
        for rule in self._clean:
            if rule.takes(message):
                yield rule
                if not rule.goes_on:
                    return

    def explain(self, message: Routable) -> list[Explained]:
        """How each rule applies to the message, in order; a single entry for junk. Never raises `MessageError`."""
        if message.path is not MailPath.CLEAN:
            return [Explained(JUNK_ROUTE, True, True, self._junk_of(message).handlers, (("path", True),))]
        explained: list[Explained] = []
        ended = False
        for rule in self._clean:
            conditions = tuple((condition.name, _can_tell(condition, message)) for condition in rule.conditions)
            matched = None if message.headers.truncated else _all_of([holds for _, holds in conditions])
            explained.append(Explained(rule.name, matched, matched is True and not ended, rule.handlers, conditions))
            if matched is None and not ended:
                # The message is a dead letter: no rule takes it, not even an earlier one that goes on.
                explained = [replace(one, takes=False) for one in explained]
            ended = ended or matched is None or (matched and not rule.goes_on)
        return explained


def _junk_route(handlers: Sequence[str]) -> Routed:
    return _routed([(JUNK_ROUTE, handlers)])


def _routed(rules: Sequence[tuple[str, Sequence[str]]]) -> Routed:
    """rules: the names of those that take the message, each with its handlers."""
    named: set[str] = set()
    by_route = []
    for name, handlers in rules:
        by_route.append((name, tuple(handler for handler in distinct(handlers) if handler not in named)))
        named.update(handlers)
    names = tuple(name for name, _ in rules)
    return Routed(names[0], names, distinct(handler for _, handlers in rules for handler in handlers), tuple(by_route))


def _can_tell(condition: Condition, message: Routable) -> bool | None:
    try:
        return condition.holds(message)
    except MessageError:
        return None


def _all_of(answers: Sequence[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True
