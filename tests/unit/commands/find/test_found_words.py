"""What a person is told."""

from dataclasses import replace

import pytest

from worker.commands.find.criteria import Criteria
from worker.commands.find.folder_find import FolderLook
from worker.commands.find.found_messages import Findings, Found, Presence
from worker.commands.find.found_words import facts, lead, looked_at, next_command, not_looked_at, place, state
from worker.journal.histories import HandlerFailure, HandlerHistory, History
from worker.journal.records import Place, Record
from worker.logs.typed import typed
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict

AT = 1_767_607_500.0
WHEN = "2026-01-05 10:05 UTC"
KEY = "k" * 26
RECORD = Record(
    id=1,
    key="k" * 26,
    fingerprint="k" * 26,
    state=State.HANDLED,
    verdict=Verdict(MailPath.CLEAN),
    place=Place("Processed", 14, 1),
    size=1,
    received_at=AT,
    first_seen_at=AT,
    tries=1,
    deaths=0,
    in_hand=None,
    next_at=None,
    settle_to=None,
    settled=True,
    missed=0,
    released=False,
)
HISTORY = History("k" * 26, AT, AT, AT, None, 1, 0, None)
FOUND = Found(Presence.IN_PLACE, "Processed", AT, "Dr Y", "blood", RECORD, HISTORY, ("all",))


def told(**changes: object) -> dict[str, str]:
    return dict(facts(replace(FOUND, **changes)))  # type: ignore[arg-type] # fields of the class


STORED = "queue:OSError:ENOSPC"


def with_handlers(*handlers: HandlerHistory) -> list[str]:
    lines = list(facts(replace(FOUND, history=replace(HISTORY, handlers=handlers))))
    start = next(number for number, (name, _) in enumerate(lines) if name == "Handlers")
    return [text for _, text in lines[start : start + len(handlers)]]


def test_what_is_known_of_a_message_is_told_by_name() -> None:
    assert told() == {
        "Received": WHEN,
        "From": "Dr Y",
        "Subject": "blood",
        "Place": "'Processed'",
        "State": f"handled on {WHEN}",
        "Route": "all (by today's rules)",
        "Verdict": "clean",
        "Key": "k" * 26,
    }
    assert told(routes=("a", "b"))["Routes"] == "a, b (by today's rules)"
    assert told(routes=None)["Route"] == "It depends on the content, which this command doesn't read."
    assert "State" not in told(record=None, presence=Presence.NOT_TAKEN_UP)
    assert not {"From", "Route"} & told(sender=None, subject=None, routes=None).keys()


def test_handlers_are_told_with_tries_and_times() -> None:
    failure = HandlerFailure(STORED, AT)
    assert with_handlers(
        HandlerHistory("archive", MailPath.CLEAN, 0, AT),
        HandlerHistory("webhook", MailPath.CLEAN, 1, AT),
        HandlerHistory("queue", MailPath.CLEAN, 2, None, failure),
        HandlerHistory("other", MailPath.CLEAN, 0, None, HandlerFailure("other:Paused")),
        HandlerHistory("last", MailPath.CLEAN, 0),
        HandlerHistory("quarantine", MailPath.JUNK, 0, AT),
    ) == [
        f"archive: done on {WHEN}",
        f"webhook: done on {WHEN}, after 1 failed try",
        f"queue: not done, 2 failed tries; failed last on {WHEN} with OSError: no space left on device ({STORED})",
        "other: not done, no counted try; failed last with Paused (other:Paused)",
        "last: not done",
        f"quarantine on the junk path: done on {WHEN}",
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"reason": "rebuilt"}, f"handled on {WHEN}"),
        ({"reason": "deleted"}, f"handled on {WHEN}"),
        ({"state": State.JUNK}, f"junk on {WHEN}"),
        ({"state": State.FAILED, "reason": "oversize"}, f"dead letter on {WHEN}"),
        ({"state": State.GONE}, f"taken away, noticed on {WHEN}"),
        ({"state": State.PENDING, "tries": 0}, "waiting for its first try"),
        ({"state": State.PENDING, "next_at": AT}, f"waiting for its next try, not before {WHEN}"),
        ({"state": State.PENDING, "in_hand": "run"}, "being handled now"),
        ({"state": State.PENDING, "reason": "paused:queue"}, "waiting for the handler 'queue', which is paused"),
        ({"state": State.PENDING, "reason": "x:ValueError"}, "waiting for its next try"),
    ],
)
def test_each_state_is_told(changes: dict[str, object], text: str) -> None:
    assert state(FOUND, replace(RECORD, **changes)) == text  # type: ignore[arg-type] # fields of the class


@pytest.mark.parametrize(
    ("stored", "told_as"),
    [
        ("oversize", "The message is larger than `message` under `[limits]`, so the worker didn't fetch it."),
        ("archive:OSError:ENOSPC", "The handler 'archive' failed with OSError: no space left on device."),
        ("a:b:ValueError", "The handler 'a:b' failed with ValueError."),
        ("no-such-word", "The journal says: no-such-word."),
    ],
)
def test_the_reason_is_told_in_words_with_the_stored_one_beside_it(stored: str, told_as: str) -> None:
    failed = replace(RECORD, state=State.FAILED, reason=stored)
    history = replace(HISTORY, handlers=(HandlerHistory("a:b", MailPath.CLEAN, 1),))
    assert told(record=failed, history=history)["Reason"] == f"{told_as} Stored as: {stored}"


def test_no_reason_is_told_where_there_is_none_or_the_state_says_it() -> None:
    assert "Reason" not in told()
    assert "Reason" not in told(record=replace(RECORD, reason="deleted"))
    assert "Reason" not in told(record=replace(RECORD, state=State.PENDING, reason="paused:queue"))


def test_the_verdict_is_told_with_its_evidence_and_a_release() -> None:
    evidence = (Evidence("exchange", "X", "SFV:SPM", "it says so", True), Evidence("trend", "Y", "No", "no", False))
    junk = replace(RECORD, verdict=Verdict(MailPath.JUNK, evidence))
    assert told(record=junk)["Verdict"] == "junk: exchange SFV:SPM"
    assert told(record=replace(RECORD, released=True))["Verdict"] == "clean, released by a person"


@pytest.mark.parametrize("presence", Presence)
def test_each_place_is_a_sentence_or_a_name(presence: Presence) -> None:
    text = place(replace(FOUND, presence=presence, folder="Junk Email"))
    assert "'Junk Email'" in text
    assert text.endswith((".", "'Junk Email'"))


def test_the_next_command_is_typed_as_here() -> None:
    failed = replace(FOUND, record=replace(RECORD, state=State.FAILED))
    assert next_command(failed) == typed(f"failed show {'k' * 26}")
    assert next_command(FOUND) == typed(f'handle {KEY} --reason "…"')
    assert next_command(replace(failed, sender=None)) is None  # it can't be shown
    assert next_command(replace(FOUND, presence=Presence.ELSEWHERE)) is None  # `handle` would refuse it
    assert next_command(replace(FOUND, record=replace(RECORD, state=State.PENDING))) is None


ALL_READ = FolderLook("INBOX", messages=3, named=1, dated=3, read=3)
SHORT = FolderLook("Processed", messages=50_000, named=2, dated=500, read=502)
LOOKS = {
    "3 messages; all headers were read.": ALL_READ,
    "1 message; all headers were read.": replace(ALL_READ, messages=1, dated=1, read=1),
    "no messages.": FolderLook("INBOX"),
    "30 messages; all dates and the headers of 3 were read.": replace(ALL_READ, messages=30, dated=30),
    "50,000 messages; the server's search named 2; the headers of 502 were read.": SHORT,
    "50,000 messages; the server refused to search; the headers of 500 were read.": replace(
        SHORT, named=None, refused=True, read=500
    ),
    "50,000 messages; the server wasn't asked to search; the headers of 7 were read. "
    "The dates of the newest 5,000 were read.": replace(SHORT, named=None, dated=5_000, read=7),
    "3 messages; the server's search named 1; the headers of 2 were read. The dates of the newest 3 were read. The "
    "server doesn't show the headers of 1.": replace(ALL_READ, read=2, hidden=1),
    "It couldn't be opened. Ask.": FolderLook("INBOX", unopened="Ask."),
}


@pytest.mark.parametrize("text", LOOKS)
def test_what_was_looked_at_is_told_for_each_folder(text: str) -> None:
    look = LOOKS[text]
    assert list(looked_at(Findings((), False, (look,), ()))) == [f"'{look.folder}': {text}"]


def test_nothing_is_said_not_to_be_there_on_the_word_of_a_search() -> None:
    wanted = Criteria(subject="x")
    nothing = Findings((), False, (ALL_READ,), ())
    assert lead(nothing, wanted) == "No such message is in the mailbox."
    assert list(not_looked_at(nothing)) == []
    elsewhere = replace(nothing, not_searched=("Deleted Items",))
    assert lead(elsewhere, wanted) == "No such message is in the folders that were searched."
    assert list(not_looked_at(elsewhere)) == ["Not searched: 'Deleted Items'. Add `--all-folders` to search them too."]
    for look in (SHORT, replace(ALL_READ, hidden=1), replace(ALL_READ, skipped=1), FolderLook("a", unopened="Ask.")):
        said = lead(replace(nothing, looks=(ALL_READ, look)), wanted)
        assert said == "No such message was found. It may be there anyway, because not every header was read."
    (line,) = not_looked_at(replace(nothing, looks=(ALL_READ, SHORT)))
    assert line.startswith("Not every header in 'Processed' was read, and a server's search can miss mail. Add `--look")


def test_what_the_journal_alone_has_is_counted() -> None:
    absent = replace(FOUND, sender=None, subject=None)
    findings = Findings((FOUND, absent), True, (ALL_READ,), ())
    assert lead(findings, Criteria(subject="x")) == (
        "2 messages found. Only the journal has 1 of them. There are more. `--limit NUMBER` shows more of them."
    )
    assert lead(replace(findings, found=(FOUND,), more=False), Criteria(subject="x")) == "1 message found."
