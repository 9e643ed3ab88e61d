"""What couldn't be fetched from where it should lie: how much of it is counted, and which folder is listed again."""

from types import SimpleNamespace
from typing import Any

import pytest

from worker.journal.records import Place
from worker.pipeline.fetched import Missing
from worker.pipeline.intake import Intake
from worker.pipeline.observer import Observer
from worker.pipeline.report import Report


class Stages:
    """What intake works with: nothing is gone yet, and each folder to list again is noted."""

    def __init__(self) -> None:
        self.again: list[str | None] = []

    def look_again(self, folder: str | None) -> None:
        self.again.append(folder)

    def missed(self, ids: list[int], *, gone_after: int, now: float) -> int:
        assert ids
        return 0


NOWHERE: Any = SimpleNamespace(id=7, place=Place("Failed", 1, None), missed=0)


@pytest.mark.parametrize(
    ("missing", "count", "again"),
    [
        (Missing(), 0, []),
        (Missing(sought=3), 3, []),
        (Missing(look_again="INBOX"), 0, ["INBOX"]),
        (Missing((NOWHERE,), sought=3), 4, ["Failed"]),
        (Missing((NOWHERE,), look_again="INBOX"), 1, ["Failed", "INBOX"]),
    ],
)
def test_what_was_sought_and_what_is_nowhere_both_ask_for_another_poll(
    missing: Missing, count: int, again: list[str]
) -> None:
    stages: Any = Stages()
    in_hand: Any = set()
    intake = Intake(
        poll=stages,
        admission=stages,
        whereabouts=stages,
        places=stages,
        pool=in_hand,
        permission=stages,
        observer=Observer(),
        clock=lambda: 0.0,
    )
    report = intake.miss_unfetched(missing)
    assert report == Report(missed=count)
    assert report.anything == bool(count)
    assert stages.again == again
