"""Order: the mail of one sender is handed over one message at a time, as it arrived.

A message that is being handled holds its sender's later mail until its end. One that waits holds it for a bounded time
only: `OrderRules.wait` while the server doesn't show its content, `OrderRules.retry_wait` until it is tried again. The
bounds belong to the message that is held. However many others hold it, one after another, it waits no longer in total;
otherwise anybody could hold up a sender's mail by writing under the sender's name.

Mail whose sender the provider confirmed, mail whose sender it didn't confirm, and mail of which it says nothing never
hold one another.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from worker.journal.messages import Messages
from worker.journal.records import Queued, Record
from worker.journal.tries import Tries
from worker.logs.log import get_logger

log = get_logger()

LOOK_AGAIN = 300.0
"""Seconds after which a message asks again that waits for the end of another. Each poll decides anew; this is for a
process that crashes before it can."""


@dataclass(frozen=True, slots=True)
class OrderRules:
    """How long the mail of a route may hold one later message of its sender, in seconds, all in all.

    wait: while the server doesn't show its content. retry_wait: while it waits for another try, or its call takes
    longer than the handler's time limit.
    """

    wait: float
    retry_wait: float


class Hands(Protocol):
    """The messages in hand, by row id."""

    def rows(self) -> Collection[int]:
        """All of them."""

    def overdue_rows(self) -> Collection[int]:
        """Those whose call takes longer than its time limit."""


@dataclass(slots=True)
class _Wait:
    """How long one message has been held, in seconds: by messages without content, and by messages to be retried.

    at: when that was last brought up to date (epoch s). behind_content, behind_retry: what has held the message since
    then. until: when we told the journal to try it (epoch s); None if we didn't put it off. overtook: whether it was
    handed over before earlier mail.
    """

    at: float
    for_content: float
    for_retry: float
    behind_content: bool = False
    behind_retry: bool = False
    until: float | None = None
    overtook: bool = False

    def bring_up_to(self, now: float) -> None:
        """Add the time since the last look to what held the message."""
        passed = max(0.0, now - self.at)  # negative if the clock was set back
        self.for_content += passed if self.behind_content else 0.0
        self.for_retry += passed if self.behind_retry else 0.0
        self.at, self.behind_content, self.behind_retry = now, False, False


@dataclass(slots=True)
class _Ahead:
    """What lies before a message in its sender's queue.

    busy: a message is being handled, or goes now. content, retry: how long (s) those that wait may hold others;
    negative if there are none. next_at: when the first of those that wait is tried again (epoch s).
    """

    busy: bool = False
    content: float = -1.0
    retry: float = -1.0
    next_at: float = float("inf")

    @property
    def waits(self) -> bool:
        """Whether a message waits for its content or for another try."""
        return max(self.content, self.retry) >= 0

    def left(self, wait: _Wait) -> float:
        """For how many more seconds those that wait hold this message. Not positive: no longer."""
        return max(self.content - wait.for_content, self.retry - wait.for_retry)


@dataclass(slots=True)
class _Look:
    """One look at all queues. due, in_hand, overdue: row ids. now: epoch s. The rest is what was decided.

    held: rows that may not go. released: keys of messages that were put off and may go. later: when to try rows (epoch
    s). more: whether further messages follow once those that go are done.
    """

    due: Collection[int]
    in_hand: Collection[int]
    overdue: Collection[int]
    now: float
    held: set[int] = field(default_factory=set)
    released: list[str] = field(default_factory=list)
    later: dict[int, float] = field(default_factory=dict)
    more: bool = False


class Order:
    """Asked by the pipeline's thread before messages are handed over. Any thread may call `routed`."""

    def __init__(
        self, *, messages: Messages, tries: Tries, clock: Callable[[], float], rules: Mapping[str, OrderRules]
    ) -> None:
        """rules: of each route that wants order, by its name."""
        self._messages = messages
        self._tries = tries
        self._clock = clock
        self._rules = dict(rules)
        self._unrouted = OrderRules(
            min((rule.wait for rule in rules.values()), default=0.0),
            min((rule.retry_wait for rule in rules.values()), default=0.0),
        )
        """Where the routes of a message aren't known yet, nobody's mail may wait longer than its own route says."""
        self._routed: dict[str, OrderRules | None] = {}
        """By key, for messages whose routes are known. None: no route wants order, so the message holds nobody."""
        self._waits: dict[int, _Wait] = {}
        self._began = clock()

    @property
    def is_kept(self) -> bool:
        """Whether any route wants order."""
        return bool(self._rules)

    def routed(self, key: str, routes: Collection[str]) -> None:
        """A message takes these routes. Of those that want order, the one that lets it hold others longest counts."""
        if not self._rules:
            return
        rules = [self._rules[name] for name in routes if name in self._rules]
        self._routed[key] = (
            OrderRules(max(rule.wait for rule in rules), max(rule.retry_wait for rule in rules)) if rules else None
        )

    def begin(self) -> None:
        """Begin under the lease. How long others held a message before isn't known: the time since it came counts."""
        self._began = self._clock()
        self._waits.clear()
        if self._rules:
            self._tries.postpone_all(None, None)  # what an earlier process put off before its first try

    def of(self, due: Sequence[Record], hands: Hands) -> tuple[list[Record], bool]:
        """Those whose turn it is, and whether more may follow once these are done. The others are put off.

        due: messages that are due and not in hand. What was put off, and is no longer held, is returned as well: it
        needn't wait for the time for which it was put off.
        """
        if not self._rules:
            return list(due), False
        queues = list(self._messages.pending_by_sender().values())
        self._forget_all_but(one for queue in queues for one in queue)
        in_hand = set(hands.rows())
        look = _Look({record.id for record in due}, in_hand, in_hand & set(hands.overdue_rows()), self._clock())
        for queue in queues:
            self._go_through(queue, look)
        self._tries.postpone(look.later)
        go = [record for record in due if record.id not in look.held]
        return go + (self._messages.with_keys(look.released) if look.released else []), look.more

    def _go_through(self, queue: Sequence[Queued], look: _Look) -> None:
        """Decide which messages of one queue may go: one, unless those before it wait for too long."""
        ahead = _Ahead()
        for one in queue:
            rules = self._routed.get(one.key, self._unrouted)
            if rules is None:
                continue
            if one.id in look.overdue:
                ahead.retry = max(ahead.retry, rules.retry_wait)
            elif one.id in look.in_hand:
                ahead.busy = True
            elif one.id in look.due or self._was_put_off(one):
                ahead.busy = not self._is_held(one, ahead, look) or ahead.busy
            elif one.next_at is None or one.next_at <= look.now:
                ahead.busy = True  # it became due a moment ago, and goes at the next look
            elif one.waiting_since is None:
                ahead.retry = max(ahead.retry, rules.retry_wait)
                ahead.next_at = min(ahead.next_at, one.next_at)
            else:
                ahead.content = max(ahead.content, rules.wait)
                last = one is queue[-1]
                ahead.next_at = min(ahead.next_at, one.next_at if last else _ask_in_time(one, rules.wait, look))

    def _is_held(self, one: Queued, ahead: _Ahead, look: _Look) -> bool:
        """Whether a message that could go is held by those before it. It is then put off."""
        wait = self._waits.get(one.id)
        if wait is None:
            if not ahead.busy and not ahead.waits:
                return False
            before = max(0.0, look.now - one.first_seen_at) if one.first_seen_at < self._began else 0.0
            wait = self._waits[one.id] = _Wait(look.now, before, before)
        wait.bring_up_to(look.now)
        left = ahead.left(wait)
        if ahead.busy or left > 0:
            wait.behind_content, wait.behind_retry = ahead.content >= 0, ahead.retry >= 0
            look.held.add(one.id)
            look.more = look.more or ahead.busy
            until = min(look.now + (LOOK_AGAIN if ahead.busy else left), ahead.next_at)
            if wait.until is None or one.id in look.due or until < wait.until:
                wait.until = look.later[one.id] = until
            return True
        if ahead.waits and not wait.overtook:
            wait.overtook = True
            log.warning("message.overtakes", key=one.key, seconds=round(max(wait.for_content, wait.for_retry), 3))
        if one.id not in look.due:
            look.released.append(one.key)
            look.later[one.id] = look.now
        wait.until = None
        return False

    def _was_put_off(self, one: Queued) -> bool:
        """Whether it waits because we put it off, and not for a try of its own."""
        wait = self._waits.get(one.id)
        return wait is not None and wait.until is not None and wait.until == one.next_at

    def _forget_all_but(self, pending: Iterable[Queued]) -> None:
        rows: set[int] = set()
        keys: set[str] = set()
        for one in pending:
            rows.add(one.id)
            keys.add(one.key)
        for row in self._waits.keys() - rows:
            del self._waits[row]
        for key in [key for key in list(self._routed) if key not in keys]:
            self._routed.pop(key, None)


def _ask_in_time(one: Queued, wait: float, look: _Look) -> float:
    """When a message without content is asked for again (epoch s): once more before it stops holding others.

    Otherwise nobody would notice in that time that its content has come, and it would be overtaken for nothing.
    """
    at = min(one.waiting_since or look.now, look.now) + wait
    if one.next_at is None or not look.now < at < one.next_at:
        return one.next_at or look.now
    look.later[one.id] = at
    return at
