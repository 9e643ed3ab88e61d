"""The alerter: sends each alert to every channel once when it begins and once when it is over."""

import json
import math
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from worker.login.expiry_told import Told
from worker.logs.log import get_logger
from worker.observe.alert_rules import (
    AGAIN_EACH,
    CHECKS_IN_A_ROW,
    GROWING,
    Limits,
    firing,
    firing_on_standby,
    named_by,
    warnings_due,
)
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.delivery import Channel, Delivery, deliver
from worker.observe.view import StatusView

log = get_logger()

_WAITS: Final = (0.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds until a channel that has failed once, twice, … in a row is tried again; the last repeats."""


class Memory(Protocol):
    """Remembers over restarts what was sent, as one short text. Both methods may raise."""

    def load(self) -> str | None:
        """What was stored last."""

    def store(self, text: str) -> None:
        """Replace it with this."""


@dataclass(slots=True)
class _Told:
    """warnings: of something that expires, which were sent. ending: the channel failed when it was told the end, and
    may have it all the same, so what begins again is told again.
    """

    number: int
    at: float
    warnings: str = ""
    ending: bool = False

    def end_unconfirmed(self) -> None:
        """Note that the channel may have been told the end."""
        self.ending = True

    def stored(self) -> tuple[object, ...]:
        """As the memory has it."""
        if self.ending:
            return self.number, self.at, self.warnings, True
        return (self.number, self.at, self.warnings) if self.warnings else (self.number, self.at)


@dataclass(slots=True)
class _Rest:
    """rules: what the channel failed to deliver since it last took anything."""

    failed_at: float
    failures: int
    rules: frozenset[Rule]

    def lasts(self, now: float) -> bool:
        """Whether the channel is still left alone. A clock that was set back ends the wait."""
        return 0 <= now - self.failed_at < _WAITS[min(self.failures, len(_WAITS)) - 1]


class Alerter:
    """Tells each channel what begins and what is over. `check` belongs in a thread of its own: sending takes seconds.

    A failing channel is tried less and less often, down to once in ten minutes: it may have delivered what it failed to
    confirm, and nobody should get the same alert every half minute.
    """

    def __init__(
        self,
        channels: Sequence[Channel[Alert]],
        *,
        memory: Memory,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._channels = channels
        self._memory = memory
        self._limits = limits or Limits()
        self._clock = clock
        self._told: dict[str, dict[Rule, _Told]] | None = None
        self._kept = ""
        """What the memory holds, as far as is known."""
        self._held: dict[Rule, int] = {}
        self._stands_in = False
        """Whether this replica, on standby, has told what the holder of the lease should have."""
        self._rests: dict[str, _Rest] = {}

    def check(self, view: StatusView) -> None:
        """Compare the state with what was sent, and send the difference.

        A replica on standby leaves that to the holder of the lease, unless the holder has stopped to poll and nobody
        has been told.
        """
        if not self._channels:
            return
        now = self._lasting(firing_on_standby(view) if view.standing_by else firing(view, self._limits))
        if view.standing_by and not now and not self._stands_in:
            self._told = None  # the holder sends the alerts, and remembers them
            return
        if self._told is None:
            self._told = self._recalled()
        before = self._kept = self._as_text()
        for channel in self._channels:
            self._tell(channel, view, now, self._told.setdefault(channel.name, {}))
        self._remember()
        after = self._as_text()
        self._stands_in = view.standing_by and view.overdue and (self._stands_in or after != before)
        if view.standing_by and not self._stands_in:
            self._told = None

    def _lasting(self, found: dict[Rule, int | None]) -> dict[Rule, int | None]:
        self._held = {rule: self._held.get(rule, 0) + 1 for rule in found}
        return {rule: number for rule, number in found.items() if self._held[rule] >= CHECKS_IN_A_ROW.get(rule, 1)}

    def _tell(
        self, channel: Channel[Alert], view: StatusView, now: dict[Rule, int | None], told: dict[Rule, _Told]
    ) -> None:
        rest = self._rests.get(channel.name)
        if rest is not None and rest.lasts(self._clock()):
            return
        # What it failed to deliver comes last: it may refuse that for its text, and take the others.
        failed = frozenset[Rule]() if rest is None else rest.rules
        for turn in ({*now, *told} - failed, failed):
            if not self._told_in_turn(channel, view, now, told, turn):
                return

    def _told_in_turn(
        self,
        channel: Channel[Alert],
        view: StatusView,
        now: dict[Rule, int | None],
        told: dict[Rule, _Told],
        turn: Container[Rule],
    ) -> bool:
        """Tell what is new of these rules, and what is over. Returns whether the channel took it all."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        for rule, number in now.items():
            if rule not in turn:
                continue
            due, was = warnings_due(view).get(rule), told.get(rule)
            warnings = Told(None if was is None else was.warnings)
            again = was is not None and was.ending
            if again or (self._is_news(rule, number, was) if due is None else warnings.is_news(*due, self._clock())):
                alert = Alert(rule, Phase.FIRING, view.account, at, number, *named_by(rule, view))
                if self._sent(channel, alert) is not Delivery.DELIVERED:
                    return False  # the next one would fail in the same way
                told[rule] = _Told(number or 0, self._clock(), "" if due is None else warnings.add(*due, self._clock()))
                self._remember()
        # Without the journal, nothing else is known to be over.
        ended = [
            rule for rule in told if rule in turn and rule not in now and rule not in self._held and view.journal_ok
        ]
        # On standby the rest is for the holder of the lease to tell.
        over = [rule for rule in ended if not view.standing_by or (rule is Rule.NOT_POLLING and not view.overdue)]
        for rule in over:
            came_to = self._sent(channel, Alert(rule, Phase.RESOLVED, view.account, at))
            if came_to is not Delivery.DELIVERED:
                if came_to is Delivery.UNKNOWN:
                    told[rule].end_unconfirmed()
                return False
            del told[rule]
            self._remember()
        return True

    def _sent(self, channel: Channel[Alert], alert: Alert) -> Delivery:
        came_to = deliver(channel, alert, rule=alert.rule.value, state=alert.phase.value)
        if came_to is Delivery.DELIVERED:
            self._rests.pop(channel.name, None)
            return came_to
        before = self._rests.get(channel.name)
        failures, rules = (0, frozenset[Rule]()) if before is None else (before.failures, before.rules)
        self._rests[channel.name] = _Rest(self._clock(), failures + 1, rules | {alert.rule})
        return came_to

    def _is_news(self, rule: Rule, number: int | None, told: _Told | None) -> bool:
        if told is None:
            return True
        since = self._clock() - told.at
        if since >= AGAIN_EACH.get(rule, math.inf):
            return True
        told.number = min(told.number, number or 0)  # a number that has fallen and rises again is news again
        grown = rule in GROWING and (number or 0) > told.number
        return grown and since >= self._limits.again_after

    def _recalled(self) -> dict[str, dict[Rule, _Told]]:
        try:
            stored = json.loads(self._memory.load() or "{}")
            return {
                channel: {Rule(rule): _told_as(*stored) for rule, stored in rules.items()}
                for channel, rules in stored.items()
            }
        except Exception:  # noqa: BLE001 -- an alert sent twice is better than one never sent
            return {}

    def _as_text(self) -> str:
        told = self._told or {}
        return json.dumps(
            {channel: {rule: was.stored() for rule, was in rules.items()} for channel, rules in told.items()}
        )

    def _remember(self) -> None:
        """Store what was told, if it has changed: at once, for the next channel may take long, and the process end."""
        text = self._as_text()
        if text == self._kept:
            return
        try:
            self._memory.store(text)
            self._kept = text
        except Exception:  # the journal may be what the alert is about
            log.warning("alert.not_remembered", exc_info=True)


def _told_as(number: int, at: float, warnings: str = "", ending: bool = False) -> _Told:
    return _Told(int(number), float(at), str(warnings), bool(ending))
