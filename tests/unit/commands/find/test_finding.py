"""Which folders are looked at, and how what lies there is joined with the journal."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED
from tests.unit.commands.find.world import SENDER, Scene, letter
from worker.commands.exits import ExitCode, Failure
from worker.commands.find.criteria import Criteria, Window
from worker.commands.find.found_messages import Presence
from worker.commands.find.found_words import lead, looked_at, not_looked_at
from worker.message.outcome import State
from worker.observe.audit.trail import AuditTrail, AuditUnavailable

BY_ADDRESS = Criteria(sender=SENDER)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


def test_a_handled_message_where_the_journal_says(scene: Scene) -> None:
    row = scene.handled(scene.server.deliver(letter("blood"), PROCESSED))
    found = scene.one(Criteria(subject="blood"))
    assert (found.presence, found.folder, found.key, found.routes) == (Presence.IN_PLACE, PROCESSED, row.key, ("all",))
    assert found.history is not None
    assert [(one.handler, one.done_at) for one in found.history.handlers] == [("archive", 1_700_000_060.0)]
    assert found.next_command == f'handle {row.key} --reason "…"'


def test_dead_letters_and_junk_name_the_command_that_shows_them(scene: Scene) -> None:
    failed = scene.handled(scene.server.deliver(letter("a"), FAILED), state=State.FAILED)
    junk = scene.handled(scene.server.deliver(letter("b"), JUNK), state=State.JUNK)
    assert scene.one(Criteria(subject="a")).next_command == f"failed show {failed.key}"
    found = scene.one(Criteria(subject="b"))
    assert (found.next_command, found.routes) == (f"junk show {junk.key}", ("junk",))


def test_what_has_no_row_is_said_to_be_taken_up_or_not(scene: Scene) -> None:
    scene.server.deliver(letter("new"), INBOX)
    scene.server.deliver(letter("moved by hand"), PROCESSED)
    scene.server.deliver(letter("elsewhere"), ELSEWHERE)
    assert scene.one(Criteria(subject="new")).presence is Presence.NOT_TAKEN_UP
    assert scene.one(Criteria(subject="by hand")).presence is Presence.UNWATCHED
    unasked = scene.ask(Criteria(subject="elsewhere"))
    assert (unasked.found, unasked.not_searched) == ((), (ELSEWHERE,))
    assert lead(unasked, Criteria(subject="elsewhere")) == "No such message is in the folders that were searched."
    found = scene.ask(Criteria(subject="elsewhere"), all_folders=True)
    assert [(one.presence, one.folder) for one in found.found] == [(Presence.UNWATCHED, ELSEWHERE)]
    assert (found.not_searched, found.complete) == ((), True)


def test_a_message_that_a_person_moved_is_known_by_its_headers(scene: Scene) -> None:
    mail = scene.server.deliver(letter("blood"), PROCESSED)
    row = scene.handled(mail)
    scene.server.move(mail, ELSEWHERE)
    (found,) = scene.ask(BY_ADDRESS, all_folders=True).found
    assert (found.presence, found.folder, found.key) == (Presence.ELSEWHERE, ELSEWHERE, row.key)
    (found,) = scene.ask(BY_ADDRESS).found
    assert (found.presence, found.sender, found.key) == (Presence.NOT_IN_PLACE, None, row.key)


def test_a_copy_is_a_message_of_its_own(scene: Scene) -> None:
    mail = scene.server.deliver(letter("blood"), PROCESSED)
    row = scene.handled(mail)
    scene.server.copy(mail, INBOX)
    found = scene.ask(BY_ADDRESS).found
    assert {(one.presence, one.folder, one.key) for one in found} == {
        (Presence.IN_PLACE, PROCESSED, row.key),
        (Presence.NOT_TAKEN_UP, INBOX, None),
    }


def test_somewhere_in_its_folder_is_in_its_place(scene: Scene) -> None:
    mail = scene.server.deliver(letter("blood"), PROCESSED)
    row = scene.handled(mail, known_uid=False)
    for criteria in (Criteria(subject="blood"), Criteria(key=row.key[:6])):
        found = scene.one(criteria)
        assert (found.presence, found.key) == (Presence.IN_PLACE, row.key)
    for number in range(9):
        scene.server.deliver(letter(f"later {number}"), PROCESSED)
    mail.unsearched = True
    found = scene.one(BY_ADDRESS, look=3, limit=1)
    assert found.subject is not None  # one of the others
    absent = [one for one in scene.ask(BY_ADDRESS, look=3).found if one.sender is None]
    assert [(one.presence, one.key) for one in absent] == [(Presence.NOT_SEEN, row.key)]


def test_what_became_of_those_that_are_not_there(scene: Scene) -> None:
    gone = scene.server.deliver(letter("gone"), INBOX)
    kept = scene.server.deliver(letter("not shown"), PROCESSED, headless=True)
    deleted = scene.server.deliver(letter("deleted"), PROCESSED)
    rows = [
        scene.handled(gone, state=State.GONE),
        scene.handled(kept),
        scene.handled(deleted),
    ]
    scene.server.delete(gone)
    scene.server.delete(deleted)
    scene.journal.messages.deleted([rows[2].id])
    found = {one.key: one.presence for one in scene.ask(BY_ADDRESS).found}
    assert found == {
        rows[0].key: Presence.TAKEN_AWAY,
        rows[1].key: Presence.NOT_SHOWN,
        rows[2].key: Presence.DELETED,
    }


def test_rows_without_their_message_cannot_be_compared_with_texts(scene: Scene) -> None:
    mail = scene.server.deliver(letter("blood"), PROCESSED)
    scene.handled(mail)
    scene.server.delete(mail)
    answer = scene.ask(Criteria(sender=SENDER, subject="blood"))
    assert (answer.found, answer.not_compared) == ((), 1)
    (line,) = [line for line in not_looked_at(answer) if "may be meant" in line]
    assert line == (
        "The journal has 1 more message that may be meant and isn't in the mailbox. Nobody can compare its text. "
        "Search by the address or the key alone to see it."
    )


def test_a_sender_that_the_journal_does_not_know_is_said(scene: Scene) -> None:
    scene.handled(scene.server.deliver(letter("a"), PROCESSED))
    scene.handled(scene.server.deliver(letter("b"), PROCESSED), sender=False)
    answer = scene.ask(BY_ADDRESS)
    assert (len(answer.found), answer.by_hash, answer.without_sender) == (2, 1, 1)
    lines = list(looked_at(answer))
    assert "The journal named 1 message by the sender's address." in lines
    assert lines[-1].startswith("The journal doesn't know the sender of 1 message.")
    assert scene.ask(Criteria(sender="Dr Y")).by_hash is None


def test_a_key_is_looked_for_in_its_place_and_nowhere_else(scene: Scene) -> None:
    rows = [scene.handled(scene.server.deliver(letter(f"n {number}"), PROCESSED)) for number in range(3)]
    asked: list[str] = []
    scene.server.before = asked.append
    found = scene.ask(Criteria(key=rows[1].key))
    assert [one.key for one in found.found] == [rows[1].key]
    assert not {"search_for", "newest"} & set(asked)
    assert (found.quick, found.not_searched) == (True, ())
    unknown = scene.ask(Criteria(key="zz"))
    assert (unknown.found, lead(unknown, Criteria(key="zz"))) == ((), "No key in the journal begins with 'zz'.")


def test_a_key_whose_message_was_moved_is_found_by_its_headers_and_its_time(scene: Scene) -> None:
    mail = scene.server.deliver(letter("blood"), PROCESSED, received_at=5e8)
    row = scene.handled(mail)
    for number in range(60):
        scene.server.deliver(letter(f"later {number}"), INBOX, received_at=6e8)
    scene.server.move(mail, JUNK)
    found = scene.one(Criteria(key=row.key), look=10)
    assert (found.presence, found.folder, found.key) == (Presence.ELSEWHERE, JUNK, row.key)


def test_a_look_alike_is_not_the_message_with_the_key(scene: Scene) -> None:
    mails = [scene.server.deliver(letter("same"), PROCESSED) for _ in range(2)]
    first, second = [scene.handled(mail) for mail in mails]
    assert second.key == f"{first.key}-2"
    assert scene.one(Criteria(key=second.key)).key == second.key
    assert {one.key for one in scene.ask(Criteria(key=first.key)).found} == {first.key, second.key}


def test_the_newest_come_first_and_more_is_said(scene: Scene) -> None:
    for day in (3, 1, 2):
        scene.server.deliver(letter(f"day {day}"), (INBOX, PROCESSED, FAILED)[day - 1], received_at=day * 1e5)
    answer = scene.ask(Criteria(subject="day"), limit=2)
    assert [one.subject for one in answer.found] == ["day 3", "day 2"]
    assert answer.more
    assert (
        lead(answer, Criteria(subject="day"))
        == "2 messages found. There are more. `--limit NUMBER` shows more of them."
    )
    within = scene.ask(Criteria(subject="day", window=Window(1e5, 2e5)))
    assert ([one.subject for one in within.found], within.more) == (["day 1"], False)


def test_each_use_is_in_the_trail_without_what_was_looked_for(scene: Scene, tmp_path: Path) -> None:
    scene.ask(Criteria(sender=SENDER, subject="zwölf", window=Window(1.0)))
    text = "".join(file.read_text() for file in (tmp_path / "state" / "audit").glob("*.jsonl"))
    lines = [json.loads(line) for line in text.splitlines()]
    (line,) = [line for line in lines if line["kind"] == "content.searched"]
    assert (line["command"], line["criteria"]) == ("find", "from+subject+since")
    assert SENDER not in text
    assert "zw" not in text


def test_without_a_trail_nothing_is_shown(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise AuditUnavailable("the audit trail can't be used")

    monkeypatch.setattr(AuditTrail, "record", full)
    asked: list[str] = []
    scene.server.before = asked.append
    with pytest.raises(Failure) as failure:
        scene.ask(Criteria(subject="x"))
    assert failure.value.code is ExitCode.CONFIGURATION
    assert asked == []
