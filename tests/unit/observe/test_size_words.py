"""How full the mailbox is, in words."""

from dataclasses import replace

import pytest

from tests.unit.observe import views
from worker.journal.size_note import Fullness
from worker.observe.alerter import Alerter
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.size_words import advice, gigabytes, size_line


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (52_428_800, "52.4 MB"),
        (4_000_000_000, "4.00 GB"),
        (10**12, "1000.00 GB"),
    ],
)
def test_sizes_are_written_as_people_write_them(size: int, text: str) -> None:
    assert gigabytes(size) == text


def test_the_line_says_by_what_and_against_what_and_for_how_long() -> None:
    assert views.FILLING.mailbox is not None
    assert size_line(views.FILLING.mailbox) == (
        "3.31 GB of 4.00 GB, 82 % (an estimate: the sum of the messages' sizes, against [mailbox] size). At the "
        "present rate it will be full in 23 days."
    )
    steady = replace(views.FILLING.mailbox, days_left=None, told=True, estimate=False)
    assert size_line(steady) == (
        "3.31 GB of 4.00 GB, 82 % (by the server's quota). It isn't filling up, or the rate isn't known yet."
    )


def test_only_a_warning_comes_with_advice() -> None:
    assert advice(Fullness.FINE) == ""
    for level in (Fullness.FILLING, Fullness.FULL):
        assert "set `[settle] delete_handled_after`" in advice(level)
        assert "Local Administrator" in advice(level)
        assert len(advice(level)) < 2000, "or the log would leave it out"


class Box:
    """A channel that keeps what it is given."""

    name = "box"

    def __init__(self) -> None:
        self.got: list[tuple[Rule, Phase, int | None]] = []

    def send(self, alert: Alert) -> None:
        self.got.append((alert.rule, alert.phase, alert.number))


class Nothing:
    """A memory that forgets."""

    def load(self) -> None:
        return None

    def store(self, text: str) -> None:
        pass


def test_each_level_is_alerted_once_and_again_as_it_grows_and_after_a_while() -> None:
    box, now = Box(), [1_800_000_000.0]
    alerter = Alerter([box], memory=Nothing(), clock=lambda: now[0])
    note = views.FILLING.mailbox
    assert note is not None

    def told(percent: int, level: Fullness, after: float) -> list[tuple[Rule, Phase, int | None]]:
        now[0] += after
        box.got.clear()
        alerter.check(replace(views.WORKING, mailbox=replace(note, used=percent * 40_000_000, fullness=level)))
        return list(box.got)

    filling, full = Rule.MAILBOX_FILLING, Rule.MAILBOX_FULL
    firing, over = Phase.FIRING, Phase.RESOLVED
    assert told(79, Fullness.FINE, 60) == []
    assert told(80, Fullness.FILLING, 60) == [(filling, firing, 80)]
    assert told(94, Fullness.FILLING, 86_400) == [], "the page says that it grows"
    assert told(94, Fullness.FILLING, 6 * 86_400) == [(filling, firing, 94)], "people forget it in a week"
    assert told(95, Fullness.FULL, 60) == [(full, firing, 95)]
    assert told(96, Fullness.FULL, 60) == []
    assert told(97, Fullness.FULL, 3_600) == [(full, firing, 97)]
    assert told(97, Fullness.FULL, 86_400) == [(full, firing, 97)]
    assert told(92, Fullness.FILLING, 60) == [(full, over, None)]
    assert told(30, Fullness.FINE, 60) == [(filling, over, None)]


def test_an_alert_says_when_senders_are_getting_their_mail_back() -> None:
    def text(number: int) -> str:
        return Alert(Rule.MAILBOX_FULL, Phase.FIRING, views.FULL.account, views.NOW, number).text

    assert "getting their mail back now" in text(100)
    assert "getting their mail back now" not in text(99)
