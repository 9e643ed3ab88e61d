"""The pictures of the status page: bars, a gauge, and what each of them says in words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from worker.logs.counted import counted
from worker.observe.humanise import clock, thousands
from worker.observe.state_lines import login_line
from worker.observe.view import StatusView
from worker.observe.work_view import OutcomesView

_CELL: Final = 24
_BAR: Final = 20
_CHART_HEIGHT: Final = 80
_KINDS: Final = ("handled", "junk", "failed")


@dataclass(frozen=True, slots=True)
class _Cell:
    kind: str
    x: int


@dataclass(frozen=True, slots=True)
class Budget:
    """The account's login attempts, one cell each."""

    cells: tuple[_Cell, ...]
    failed: int
    ours: int
    kept: int
    width: int
    sentence: str


@dataclass(frozen=True, slots=True)
class _Bar:
    kind: str
    x: int
    y: float
    height: float
    width: int = _BAR - 4


@dataclass(frozen=True, slots=True)
class Chart:
    """Outcomes by the hour or the day. sums: by the kind of outcome. most: the highest bar, in words."""

    bars: tuple[_Bar, ...]
    sums: dict[str, int]
    most: str
    first: str
    last: str
    width: int
    height: int = _CHART_HEIGHT

    @property
    def sentence(self) -> str:
        """What the bars show, in words."""
        handled, junk, failed = (self.sums[kind] for kind in _KINDS)
        return f"{thousands(handled)} handled, {thousands(junk)} junk, {counted(failed, 'dead letter')}. {self.most}"


def budget(view: StatusView) -> Budget:
    """The gauge of the login attempts."""
    login = view.login
    failed = min(login.failures, login.threshold)
    ours = min(login.remaining, login.threshold - failed)
    kept = login.threshold - failed - ours
    kinds = ["failed"] * failed + ["ours"] * ours + ["kept"] * kept
    return Budget(
        cells=tuple(_Cell(kind, number * _CELL + 2) for number, kind in enumerate(kinds)),
        failed=failed,
        ours=ours,
        kept=kept,
        width=len(kinds) * _CELL,
        sentence=login_line(view),
    )


def hours_chart(hours: tuple[OutcomesView, ...]) -> Chart:
    """The last day, a bar an hour."""
    return _chart(hours, clock, "hour", "from")


def days_chart(days: tuple[OutcomesView, ...]) -> Chart:
    """The last month, a bar a day."""
    return _chart(days, day, "day", "on")


def day(at: datetime) -> str:
    """`23 Nov`."""
    return f"{at.day} {at:%b}"


def _chart(spans: tuple[OutcomesView, ...], named: Callable[[datetime], str], length: str, word: str) -> Chart:
    sums = {kind: sum(getattr(one, kind) for one in spans) for kind in _KINDS}
    if not any(sums.values()):
        return Chart((), sums, "", "", "", 0)
    most = max(spans, key=lambda one: one.total)
    return Chart(
        bars=tuple(bar for number, one in enumerate(spans) for bar in _stack(number, one, most.total)),
        sums=sums,
        most=f"The most in one {length}: {thousands(most.total)}, {word} {named(most.at)}.",
        first=named(spans[0].at),
        last=named(spans[-1].at),
        width=len(spans) * _BAR,
    )


def _stack(number: int, one: OutcomesView, most: int) -> Iterator[_Bar]:
    top = float(_CHART_HEIGHT)
    for kind in _KINDS:
        number_of = getattr(one, kind)
        if number_of:
            # one message among thousands can still be seen
            height = max(1.5, round(number_of / most * (_CHART_HEIGHT - 4), 2))
            top -= height
            yield _Bar(kind, number * _BAR + 2, round(top, 2), height)
