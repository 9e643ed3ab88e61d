"""The pictures of the page: bars that fit, and words that say what they show."""

from tests.unit.observe import views
from worker.observe.charts import budget, days_chart, hours_chart
from worker.observe.work_view import OutcomesView


def test_one_message_among_thousands_is_drawn() -> None:
    hours = (OutcomesView(at=views.ago(3600), handled=90_000, junk=1, failed=1), OutcomesView(at=views.NOW))
    bars = hours_chart(hours).bars
    assert [bar.kind for bar in bars] == ["handled", "junk", "failed"]
    assert min(bar.height for bar in bars) >= 1
    assert all(bar.y >= 0 and bar.y + bar.height <= 80 for bar in bars)


def test_bars_stand_on_each_other_and_side_by_side() -> None:
    chart = days_chart((OutcomesView(at=views.ago(86_400), handled=1), OutcomesView(at=views.NOW, junk=3, handled=1)))
    first, second, third = chart.bars
    assert first.x < second.x == third.x
    assert third.y + third.height == second.y
    assert chart.sentence == "2 handled, 3 junk, 0 dead letters. The most in one day: 4, on 23 Nov."
    assert (chart.first, chart.last) == ("22 Nov", "23 Nov")


def test_without_an_outcome_nothing_is_drawn() -> None:
    assert hours_chart(()).bars == hours_chart((OutcomesView(at=views.NOW),)).bars == ()


def test_the_gauge_has_a_cell_for_each_attempt() -> None:
    gauge = budget(views.COOLING)
    assert [cell.kind for cell in gauge.cells] == ["failed"] * 2 + ["ours"] * 6 + ["kept"] * 4
    assert gauge.sentence == (
        "12 attempts before the server locks the account: 2 failed, 6 left for the worker, 4 kept for people."
    )
