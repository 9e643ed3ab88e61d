"""The alerter: tells each alert channel once what begins, and again when it is over; the journal remembers it."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from worker.logs.log import get_logger
from worker.observe.alert_rules import CHECKS_IN_A_ROW, GROWING, Limits, firing
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.delivery import Channel, delivered
from worker.observe.view import StatusView

log = get_logger()

_WAITS: Final = (0.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds before a channel that failed once, twice, … in a row is tried again; the last repeats."""


class Memory(Protocol):
    """Remembers over restarts what was told: one short text. Both may raise."""

    def load(self) -> str | None:
        """What was stored last."""

    def store(self, text: str) -> None:
        """Keep this instead."""


@dataclass(slots=True)
class _Told:
    number: int
    at: float


@dataclass(slots=True)
class _Rest:
    failed_at: float
    failures: int

    def lasts(self, now: float) -> bool:
        """Whether its channel is left alone for now. A clock that was set back ends it."""
        return 0 <= now - self.failed_at < _WAITS[min(self.failures, len(_WAITS)) - 1]


class Alerter:
    """Tells each channel of what begins and what is over. `check` belongs in a thread of its own: it takes seconds.

    A channel that fails is left alone for longer and longer, up to ten minutes: whatever it did with what it failed to
    confirm, people aren't to get it every half minute.
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
        self._held: dict[Rule, int] = {}
        self._rests: dict[str, _Rest] = {}

    def check(self, view: StatusView) -> None:
        """Compare the state with what was told, and tell the difference. A replica that stands by tells nothing."""
        if view.standing_by:
            self._told, self._held = None, {}  # the other replica tells now, and remembers it
            return
        if not self._channels:
            return
        now = self._lasting(firing(view, self._limits))
        if self._told is None:
            self._told = self._recalled()
        before = self._as_text()
        for channel in self._channels:
            self._tell(channel, view, now, self._told.setdefault(channel.name, {}))
        if (after := self._as_text()) != before:
            self._remember(after)

    def _lasting(self, found: dict[Rule, int | None]) -> dict[Rule, int | None]:
        self._held = {rule: self._held.get(rule, 0) + 1 for rule in found}
        return {rule: number for rule, number in found.items() if self._held[rule] >= CHECKS_IN_A_ROW.get(rule, 1)}

    def _tell(
        self, channel: Channel[Alert], view: StatusView, now: dict[Rule, int | None], told: dict[Rule, _Told]
    ) -> None:
        rest = self._rests.get(channel.name)
        if rest is not None and rest.lasts(self._clock()):
            return
        at = datetime.fromtimestamp(self._clock(), UTC)
        for rule, number in now.items():
            if self._is_news(rule, number, told.get(rule)):
                if not self._sent(channel, Alert(rule, Phase.FIRING, view.account, at, number)):
                    return  # the same trouble would meet the next one
                told[rule] = _Told(number or 0, self._clock())
        # With the journal lost, nothing else is known to be over.
        over = [rule for rule in told if rule not in now and rule not in self._held and view.journal_ok]
        for rule in over:
            if not self._sent(channel, Alert(rule, Phase.RESOLVED, view.account, at)):
                return
            del told[rule]

    def _sent(self, channel: Channel[Alert], alert: Alert) -> bool:
        if delivered(channel, alert, rule=alert.rule.value, state=alert.phase.value):
            self._rests.pop(channel.name, None)
            return True
        before = self._rests.get(channel.name)
        self._rests[channel.name] = _Rest(self._clock(), 1 if before is None else before.failures + 1)
        return False

    def _is_news(self, rule: Rule, number: int | None, told: _Told | None) -> bool:
        if told is None:
            return True
        told.number = min(told.number, number or 0)  # what was seen to and comes again is news again
        grown = rule in GROWING and (number or 0) > told.number
        return grown and self._clock() - told.at >= self._limits.again_after

    def _recalled(self) -> dict[str, dict[Rule, _Told]]:
        try:
            stored = json.loads(self._memory.load() or "{}")
            return {
                channel: {Rule(rule): _Told(int(number), float(at)) for rule, (number, at) in rules.items()}
                for channel, rules in stored.items()
            }
        except Exception:  # noqa: BLE001 -- told twice is better than not told
            return {}

    def _as_text(self) -> str:
        told = self._told or {}
        return json.dumps(
            {channel: {rule: (was.number, was.at) for rule, was in rules.items()} for channel, rules in told.items()}
        )

    def _remember(self, text: str) -> None:
        try:
            self._memory.store(text)
        except Exception:  # the journal may be what the alert is about
            log.warning("alert.not_remembered", exc_info=True)
