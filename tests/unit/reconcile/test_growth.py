"""The days until the mailbox is full: steady growth is told within its noise, and one event changes nothing."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.journal.size_note import Fullness, Sample
from worker.reconcile.growth import DAY, FEWEST, HISTORY, SLACK, days_until_full, fullness, rate, sampled

START = 1_800_000_000.0
LIMIT = 4_000_000_000
MB = 1_000_000


def history(sizes: list[float], *, every: float = DAY, estimate: bool = True) -> tuple[Sample, ...]:
    """What is kept of readings that were taken at this distance (s)."""
    kept: tuple[Sample, ...] = ()
    for number, size in enumerate(sizes):
        kept = sampled(kept, Sample(START + number * every, int(size), estimate))
    return kept


def grown(growth: list[float], first: float = 1_000 * MB) -> list[float]:
    sizes = [first]
    for one in growth:
        sizes.append(max(0.0, sizes[-1] + one))
    return sizes


@given(st.lists(st.integers(0, 2 * LIMIT), min_size=1, max_size=60), st.integers(1, LIMIT))
def test_the_days_are_never_negative_and_none_while_it_does_not_grow(sizes: list[int], limit: int) -> None:
    kept = history([float(size) for size in sizes])
    days = days_until_full(kept, sizes[-1], limit)
    assert days is None or days >= 0
    assert (days == 0) or sizes[-1] < limit
    if len(kept) >= FEWEST and sizes[-1] < limit and all(b <= a for a, b in pairwise([one.used for one in kept])):
        assert days is None


@given(
    st.integers(1, 50),
    st.floats(0, 0.5),
    st.integers(FEWEST, 60),
    st.randoms(use_true_random=False),
    st.sampled_from([1.0, 0.98, 1.03]),
)
def test_steady_growth_is_told_within_its_noise(mb: int, noise: float, days: int, random: object, pace: float) -> None:
    shares = [1 + noise * (2 * random.random() - 1) for _ in range(days)]  # type: ignore[attr-defined]  # hypothesis' own
    kept = history(grown([mb * MB * pace * share for share in shares]), every=pace * DAY)
    found = rate(kept)
    assert found is not None
    assert mb * MB * (1 - noise) * 0.999 <= found <= mb * MB * (1 + noise) * 1.001


@given(st.integers(2, 50), st.integers(8, 35), st.integers(0, 34), st.sampled_from([-900, -300, 500, 2_000]))
def test_a_clean_up_or_a_flood_of_one_day_changes_nothing_after_some_weeks(
    mb: int, days: int, at: int, mb_once: int
) -> None:
    growth = [float(mb * MB)] * max(days, 21)
    growth[at % len(growth)] += mb_once * MB
    assert rate(history(grown(growth))) == pytest.approx(mb * MB, rel=0.001)


@given(st.integers(2, 50), st.integers(0, 6), st.integers(14, 60))
def test_quiet_weekends_do_not_count_as_another_rate(mb: int, first: int, days: int) -> None:
    growth = [0.0 if (first + day) % 7 >= 5 else mb * MB for day in range(days)]
    assert rate(history(grown(growth))) == pytest.approx(mb * MB * 5 / 7, rel=0.001)


@given(st.integers(2, 50), st.integers(0, 6), st.integers(14, 60))
def test_mail_that_comes_once_a_week_counts(mb: int, first: int, days: int) -> None:
    growth = [mb * MB if (first + day) % 7 == 0 else 0.0 for day in range(days)]
    assert rate(history(grown(growth))) == pytest.approx(mb * MB / 7, rel=0.001)


@given(st.integers(1, 30), st.integers(1_000, 3_500))
def test_the_day_that_is_told_is_the_day_on_which_it_is_full(mb: int, mb_used: int) -> None:
    sizes = [(mb_used - mb * left) * MB for left in range(20, -1, -1)]
    if sizes[0] < 0:
        return
    told = days_until_full(history([float(size) for size in sizes]), sizes[-1], LIMIT)
    really = (LIMIT - sizes[-1]) / (mb * MB)
    assert told is not None
    assert really - 1 <= told <= really


def test_readings_of_another_kind_say_nothing_of_the_rate() -> None:
    """An estimate differs from the quota: the step between them is no growth."""
    by_quota = [Sample(START + day * DAY, 500 * MB, estimate=False) for day in range(10)]
    samples: tuple[Sample, ...] = tuple(by_quota)
    for day in range(10, 13):
        samples = sampled(samples, Sample(START + day * DAY, 900 * MB, estimate=True))
        assert rate(samples) is None
    samples = sampled(samples, Sample(START + 13 * DAY, 510 * MB, estimate=False))
    assert rate(samples) == pytest.approx(0.0, abs=10 * MB / 4)


@given(st.lists(st.floats(-3 * DAY, 40 * DAY), max_size=80))
def test_the_history_is_short_and_in_order_whatever_the_clock_does(steps: list[float]) -> None:
    kept: tuple[Sample, ...] = ()
    now = START
    for step in steps:
        now += step
        kept = sampled(kept, Sample(now, 5, estimate=True))
        times = [one.at for one in kept]
        assert times == sorted(times)
        assert len(kept) <= HISTORY / DAY / 0.96 + 2
        assert all(0 <= now - at <= HISTORY for at in times)
        assert kept, "a reading is always there"


def test_readings_of_an_hour_each_leave_one_sample_a_day() -> None:
    assert len(history([1.0] * 24 * 10, every=3600.0)) in (10, 11)


WARN = (80, 95)


@given(st.lists(st.integers(0, 120), min_size=1, max_size=40))
def test_a_warning_begins_at_its_threshold_and_does_not_flap(percents: list[int]) -> None:
    level = Fullness.FINE
    for percent in percents:
        before, level = level, fullness(level, percent, 100, WARN)
        assert (level is Fullness.FULL) or percent < 95
        assert (level is not Fullness.FINE) or percent < 80
        if level is not before and list(Fullness).index(level) < list(Fullness).index(before):
            assert percent < (95 if before is Fullness.FULL else 80) - 100 * SLACK + 1e-9


@pytest.mark.parametrize("threshold", WARN)
def test_mail_that_comes_and_goes_around_a_threshold_is_one_warning(threshold: int) -> None:
    level, changes = Fullness.FINE, 0
    for size in [threshold * 10 + wobble for wobble in (-1, 0, 5, -5, 3, -9, 9, -15, 0, 12)]:
        before, level = level, fullness(level, size, 1000, WARN)
        changes += before is not level
    assert changes == (1 if threshold == WARN[0] else 2), "the first reading at 94.9 % is a warning of its own"
