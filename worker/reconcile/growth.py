"""How fast the mailbox fills, when it will be full, and whether that is worth a warning. Pure.

The rate is the median of what it grew in each week of the last five: from each daily sample to the first one at least
a week later. A week holds every weekday once, so that quiet weekends don't count as a slower rate. A clean-up or a huge
mail is in seven of some thirty such weeks, and so doesn't move the median; growth that lasts does. Until there is a
week of samples, it is the median of what it grew from day to day, from the fourth sample on.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from worker.journal.size_note import Fullness, Sample

DAY: Final = 86_400.0
WEEK: Final = 7 * DAY
HISTORY: Final = 36 * DAY
"""Seconds for which a sample counts."""
FEWEST: Final = 4
"""Samples that it takes to tell a rate."""
LONGEST: Final = 3650
"""Days: what would take longer is no prospect at all."""
SLACK: Final = 0.02
"""How far below its threshold, as a share of the limit, the size must fall for a warning to end."""
_LATE: Final = 0.04 * DAY
"""A day's sample may come an hour sooner than the last one's: clocks, and looks that are an hour apart."""


def sampled(samples: Sequence[Sample], reading: Sample) -> tuple[Sample, ...]:
    """The samples with this reading, if none of the last day tells the same way. Old ones are dropped.

    Those from the future, which a clock that was put back leaves behind, are dropped too.
    """
    kept = tuple(one for one in samples if 0 <= reading.at - one.at <= HISTORY)
    alike = [one.at for one in kept if one.estimate is reading.estimate]
    return kept if alike and reading.at - alike[-1] < DAY - _LATE else (*kept, reading)


def rate(samples: Sequence[Sample]) -> float | None:
    """Bytes a day; None: not known yet. Only samples that tell as the last one does count."""
    alike = [one for one in samples if one.estimate is samples[-1].estimate]
    if len(alike) < FEWEST:
        return None
    weeks = [
        _slope(first, last)
        for number, first in enumerate(alike)
        if (last := next((one for one in alike[number:] if one.at - first.at >= WEEK - _LATE), None)) is not None
    ]
    return median(weeks or [_slope(first, last) for first, last in pairwise(alike)])


def _slope(first: Sample, last: Sample) -> float:
    return (last.used - first.used) / max((last.at - first.at) / DAY, 1 / 24)


def days_until_full(samples: Sequence[Sample], used: int, limit: int) -> int | None:
    """Whole days until it is full at the present rate; 0: it is. None: it isn't growing, or nobody knows yet."""
    if used >= limit:
        return 0
    bytes_a_day = rate(samples)
    if bytes_a_day is None or bytes_a_day <= 0:
        return None
    days = int((limit - used) / bytes_a_day)
    return days if days <= LONGEST else None


def fullness(before: Fullness, used: int, limit: int, warn: tuple[int, int]) -> Fullness:
    """Whether it is worth a warning. warn: the per cent at which it is filling, and full.

    A warning begins at its threshold and ends a little below it, so that mail that comes and goes doesn't repeat it.
    """
    share = used / limit
    levels = ((Fullness.FULL, warn[1] / 100), (Fullness.FILLING, warn[0] / 100))
    order = list(Fullness)
    for level, begins in levels:
        lasts = order.index(before) >= order.index(level)
        if share >= (begins - SLACK if lasts else begins):
            return level
    return Fullness.FINE
