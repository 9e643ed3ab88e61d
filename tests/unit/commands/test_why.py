"""Why a message is where it is: the reason, the times, the line, what to do, and the command as it is typed here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.commands.world import record
from worker.commands.why import Why, why_of
from worker.journal.histories import HandlerFailure, HandlerHistory, History
from worker.journal.records import Record
from worker.logs.typed import configuration_named
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict

AT = 1_764_309_600.0  # 2025-11-28 06:00:00 UTC
FAILURE = HandlerFailure("file:OSError:ENOSPC", AT + 60, "ward.filing:42")
FILE = HandlerHistory("file", MailPath.CLEAN, 6, failure=FAILURE)
COPY = HandlerHistory("copy", MailPath.CLEAN, 0, done_at=AT + 5)


def history(*handlers: HandlerHistory, **more: Any) -> History:
    given: dict[str, Any] = {
        "outcome_at": None,
        "settled_at": None,
        "released_at": None,
        "tries": 0,
        "deaths": 0,
        "next_at": None,
    }
    return History(key="k1", first_seen_at=AT, handlers=handlers, **(given | more))


def clean(state: State, reason: str | None = None) -> Record:
    return replace(record(1), state=state, reason=reason, verdict=Verdict(MailPath.CLEAN))


def test_a_dead_letter_begins_with_its_reason_and_ends_with_the_command() -> None:
    found = why_of(clean(State.FAILED, "file:OSError:ENOSPC"), history(COPY, FILE, outcome_at=AT + 60, tries=7))
    assert found == Why(
        "The handler 'file' failed with OSError: no space left on device.",
        (
            ("Key", "k1"),
            ("First seen", "2025-11-28 06:00:00 UTC"),
            ("Tries", "6 failed tries of the handler 'file'"),
            ("Last try", "2025-11-28 06:01:00 UTC"),
            ("Where", "line 42 of ward.filing"),
            ("Done", "copy, 2025-11-28 06:00:05 UTC"),
        ),
        ("Free space on the disk that the handler writes to.", "Once that is fixed, try the message again:"),
        'nhsmail-worker failed retry k1 --reason "…"',
    )


def test_the_command_names_the_configuration_that_was_named() -> None:
    with configuration_named(Path("/etc/ward.toml")):
        found = why_of(clean(State.FAILED, "file:KeyError"), history(FILE))
    assert found.command == 'nhsmail-worker failed retry k1 --reason "…" --config /etc/ward.toml'


def test_one_try_is_one_try() -> None:
    once = replace(FILE, tries=1)
    assert ("Tries", "1 failed try of the handler 'file'") in why_of(clean(State.FAILED, "file:X"), history(once)).facts


def test_what_no_handler_failed_with_has_tries_of_its_own() -> None:
    found = why_of(clean(State.FAILED, "poison"), history(tries=2, deaths=2, outcome_at=AT))
    assert ("Tries", "2 failed tries") in found.facts
    assert ("Crashes", "The worker's process ended 2 times while it handled this message alone") in found.facts


def test_what_cannot_be_retried_names_no_command() -> None:
    found = why_of(clean(State.FAILED, "header-not-shown"), history())
    assert (found.command, found.do[-1]) == (
        "",
        "Once that is fixed, move the message into the inbox. The worker takes it as new mail.",
    )


def test_a_dead_letter_without_anything_to_put_right_names_the_command() -> None:
    found = why_of(clean(State.FAILED, "file:Closed"), history(FILE))
    assert found.do == ("Have the message tried again:",)


def test_junk_begins_with_what_says_so_and_ends_with_the_release() -> None:
    found = why_of(record(1), history())
    assert found.fact == "The message is junk: placement says junk-folder."
    assert found.do == ("Release it if it is clean:",)
    assert found.command == 'nhsmail-worker junk release k1 --reason "…"'


def test_junk_of_a_known_sender_may_be_a_mistake() -> None:
    found = why_of(record(1), history(), known=True)
    assert "by mistake" in found.do[0]


def test_what_waits_says_for_what_and_until_when() -> None:
    found = why_of(clean(State.PENDING, "file:OSError:ENOSPC"), history(FILE, next_at=AT + 100))
    assert ("Next try", "not before 2025-11-28 06:01:40 UTC") in found.facts
    assert (found.do[-1], found.command) == ("The worker tries it again by itself.", "")
    assert why_of(clean(State.PENDING), history()).fact == "The message waits for its first try."


@pytest.mark.parametrize(
    ("state", "reason", "fact"),
    [
        (State.HANDLED, None, "The message was handled."),
        (State.HANDLED, "deleted", "The worker deleted the handled message, as `[settle]` says."),
        (State.GONE, "taken-away", "Somebody moved or deleted the message before it was done."),
    ],
)
def test_other_messages_say_what_became_of_them(state: State, reason: str | None, fact: str) -> None:
    found = why_of(clean(state, reason), history(COPY, released_at=AT))
    assert (found.fact, found.command) == (fact, "")
    assert ("Released", "2025-11-28 06:00:00 UTC") in found.facts
