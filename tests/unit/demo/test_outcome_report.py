"""The closing report adds up, and says what isn't as expected."""

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from worker.demo.outcome_report import Report
from worker.demo.samples import Sample, all_samples

SAMPLES = tuple(all_samples())
HANDLED, JUNK, FAILED = "Processed", "Junk Email", "Failed"
COUNT = Counter(sample.expect for sample in SAMPLES)


def where(samples: Sequence[Sample] = SAMPLES) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for sample in samples:
        folder = {"handled": HANDLED, "junk": JUNK, "failed": FAILED}[sample.expect]
        places.setdefault(digest(sample), []).append(folder)
    return places


def digest(sample: Sample) -> str:
    return hashlib.sha256(sample.raw).hexdigest()


def status(**changed: int) -> dict[str, Any]:
    return {"messages": {**COUNT, "pending": 0, "gone": 0, **changed}}


def shown(report: Report) -> str:
    console = Console(file=io.StringIO(), width=140)
    report.show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_in_place_is_as_expected_and_adds_up() -> None:
    report = Report(SAMPLES, where(), status(), COUNT["handled"])

    assert report.as_expected
    footer = shown(report).splitlines()[-3]
    assert [int(number) for number in footer.replace("│", " ").split() if number.isdigit()] == [
        COUNT["handled"],
        COUNT["junk"],
        COUNT["failed"],
        0,
        len(SAMPLES),
    ]


def test_a_message_in_the_wrong_folder_is_named() -> None:
    places = where()
    broken = next(sample for sample in SAMPLES if sample.name == "broken-1")
    places[digest(broken)] = [HANDLED]

    report = Report(SAMPLES, places, status(), COUNT["handled"])

    assert "broken-1: expected failed, found handled" in shown(report)
    assert not report.as_expected


def test_a_lost_message_is_named() -> None:
    report = Report(SAMPLES, where(SAMPLES[1:]), status(), COUNT["handled"])

    assert f"{SAMPLES[0].name}: expected handled, found lost" in report.faults


def test_a_lost_twin_is_named() -> None:
    twins = [sample for sample in SAMPLES if sample.name.startswith("plain-twin")]
    others = [sample for sample in SAMPLES if sample is not twins[0]]

    assert not Report(SAMPLES, where(others), status(), COUNT["handled"]).as_expected


def test_a_message_in_two_places_is_a_fault() -> None:
    places = where()
    places[digest(SAMPLES[0])].append(HANDLED)

    report = Report(SAMPLES, places, status(), COUNT["handled"])

    assert f"the mailbox holds {len(SAMPLES) + 1} messages, there were {len(SAMPLES)}" in report.faults


def test_the_journal_and_the_archive_must_agree() -> None:
    assert not Report(SAMPLES, where(), status(pending=1), COUNT["handled"]).as_expected
    assert not Report(SAMPLES, where(), {}, COUNT["handled"]).as_expected
    assert not Report(SAMPLES, where(), status(), COUNT["handled"] - 1).as_expected
