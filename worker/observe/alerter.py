"""The alerter: sends each alert to every channel once when it begins and once when it is over."""

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
"""Seconds until a channel that has failed once, twice, … in a row is tried again; the last repeats."""


class Memory(Protocol):
    """Remembers over restarts what was sent, as one short text. Both methods may raise."""

    def load(self) -> str | None:
        """What was stored last."""

    def store(self, text: str) -> None:
        """Replace it with this."""


@dataclass(slots=True)
class _Told:
    number: int
    at: float


@dataclass(slots=True)
class _Rest:
    failed_at: float
    failures: int

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
        self._held: dict[Rule, int] = {}
        self._rests: dict[str, _Rest] = {}

    def check(self, view: StatusView) -> None:
        """Compare the state with what was sent, and send the difference. A replica on standby sends nothing."""
        if view.standing_by:
            self._told, self._held = None, {}  # the other replica sends the alerts now, and remembers them
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
                    return  # the next one would fail in the same way
                told[rule] = _Told(number or 0, self._clock())
        # Without the journal, nothing else is known to be over.
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
        told.number = min(told.number, number or 0)  # a number that has fallen and rises again is news again
        grown = rule in GROWING and (number or 0) > told.number
        return grown and self._clock() - told.at >= self._limits.again_after

    def _recalled(self) -> dict[str, dict[Rule, _Told]]:
        try:
            stored = json.loads(self._memory.load() or "{}")
            return {
                channel: {Rule(rule): _Told(int(number), float(at)) for rule, (number, at) in rules.items()}
                for channel, rules in stored.items()
            }
        except Exception:  # noqa: BLE001 -- an alert sent twice is better than one never sent
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
