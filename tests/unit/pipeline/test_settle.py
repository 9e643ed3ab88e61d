"""Moving and deleting, command by command, on a mailbox in memory."""

import io
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from structlog.types import EventDict

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Mail, Server, busy, mail
from tests.fakes.world import ACCOUNT, Clock
from worker.commands.wiring.assembly import JournalParts
from worker.journal.database import Database
from worker.journal.intents import Intents
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import NewMessage, Place, Record, Result
from worker.journal.schema import metadata
from worker.journal.tries import Tries
from worker.logs.log import configure as configure_logging
from worker.mailbox import uid_sets
from worker.mailbox.errors import CommandRefused, FolderRefused, MailboxError
from worker.mailbox.folders import Layout
from worker.mailbox.session import FolderState
from worker.message.content_mark import ContentMarks
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.settle import CannotMove
from worker.pipeline.settlement import Settlement
from worker.pipeline.whereabouts import Look

DONE = "Done"


class Box:
    """A mailbox, the account of its messages, and one connection to it."""

    def __init__(self, *capabilities: str) -> None:
        self.server = Server(capabilities=capabilities or ("MOVE", "UIDPLUS"), folders=[DONE])
        database = Database("sqlite://")
        with database.write() as connection:
            metadata.create_all(connection)
        self.messages = Messages(database)
        self.tries = Tries(database)
        self.journal_places = Places(database)
        self.clock = Clock()
        self.settle = JournalParts(
            account=ACCOUNT,
            messages=self.messages,
            tries=self.tries,
            places=self.journal_places,
            intents=Intents(database),
            marks=ContentMarks(b""),
        ).settle(Layout((INBOX,), JUNK), self.clock)
        self.session: Any = self.server.session()
        self.removed: list[tuple[str, list[int]]] = []
        """Each removal: from which folder, which UIDs."""
        self.server.moving = lambda folder, _validity, uids, _target: self.removed.append((folder, list(uids)))

    def place(self, one: Mail) -> Place:
        found = self.server.find(one)
        assert found is not None
        return Place(found[0], self.validity(found[0]), found[1])

    def validity(self, folder: str) -> int:
        return self.server.folders[folder].uidvalidity

    def pending(self, *mails: Mail, place: Place | None = None) -> list[Record]:
        """Rows of these: where they lie, or where one is said to lie."""
        return self.messages.add([self._new(one, place or self.place(one)) for one in mails], self.clock())

    def unsettled(self, *mails: Mail, to: str = PROCESSED, place: Place | None = None) -> list[Record]:
        """Rows of what was handled and isn't moved yet."""
        rows = [record.id for record in self.pending(*mails, place=place)]
        self.tries.record([Result(row, State.HANDLED, settle_to=to) for row in rows], self.clock())
        return self.rows(*rows)

    def settled(self, *mails: Mail, place: Place | None = None) -> list[Record]:
        """Rows of what was handled and moved to where it lies."""
        rows = self.unsettled(*mails, to=(place or self.place(mails[0])).folder, place=place)
        self.journal_places.settled([(record.id, record.place) for record in rows], self.clock())
        return self.rows(*(record.id for record in rows))

    def rows(self, *ids: int) -> list[Record]:
        return [record for record in self.messages.everything() if record.id in ids]

    def places(self, *records: Record) -> list[Place]:
        """Where the journal says that these lie now."""
        return [record.place for record in self.rows(*(record.id for record in records))]

    def _new(self, one: Mail, place: Place) -> NewMessage:
        mark = fingerprint(ACCOUNT, Headers.from_bytes(one.raw))
        return NewMessage(mark, place, len(one.raw), one.received_at, Verdict(MailPath.CLEAN))


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture(autouse=True)
def logged() -> Iterator[Callable[[str], list[EventDict]]]:
    """The lines of an event, without its name."""
    configure_logging(level="info", format="json", stream=io.StringIO(), hooks=False)

    def of(event: str) -> list[EventDict]:
        return [{name: value for name, value in line.items() if name != "event"} for line in lines if _is(line, event)]

    with capture_logs() as lines:
        yield of


def _is(line: EventDict, event: str) -> bool:
    return bool(line["event"] == event)


def alike(count: int, serial: int = 7001) -> list[bytes]:
    return [mail(serial=serial) for _ in range(count)]


def not_known(box: Box, folder: str) -> list[Place]:
    """Places that say nothing: a number of before the folder was renumbered, and none at all."""
    return [Place(folder, box.validity(folder) + 100, 1), Place(folder, box.validity(folder), None)]


# -- what the server must have


def test_without_move_and_uidplus_nothing_is_begun() -> None:
    for capabilities in (("MOVE",), ("UIDPLUS",), ("MOVE", "UIDPLUS")):
        box = Box(*capabilities)
        box.settle.check(box.session)
    box = Box("IDLE")
    with pytest.raises(CannotMove) as refused:
        box.settle.check(box.session)
    assert str(refused.value) == (
        "The server offers neither MOVE nor UIDPLUS. Without them, moving a message would mean a bare EXPUNGE, "
        "which also deletes mail that other people have marked. Nothing was changed. Ask its administrator for MOVE."
    )


# -- what is left to do


def test_what_lies_where_it_is_to_go_or_goes_nowhere_is_left_there(box: Box) -> None:
    one = box.server.deliver(mail())
    (stays,) = box.pending(one)
    (there,) = box.unsettled(one, to=INBOX)
    (goes,) = box.unsettled(one)
    assert Settlement.of(stays) is None
    assert Settlement.of(there) is None
    assert Settlement.of(goes) == Settlement(goes.id, goes.fingerprint, goes.place, PROCESSED)


def test_a_folder_that_cannot_be_seen_now_settles_nothing_and_one_that_is_gone_does(box: Box) -> None:
    (row,) = box.unsettled(box.server.deliver(mail(), DONE))
    box.session.select(INBOX)
    box.server.refusing.add(("select", INBOX))
    assert box.settle.resume(box.session, []) == []
    assert [record.settled for record in box.rows(row.id)] == [False]
    box.server.refusing.clear()
    del box.server.folders[DONE]
    assert box.settle.resume(box.session, []) == []
    assert [(record.settled, record.place) for record in box.rows(row.id)] == [(True, Place(PROCESSED, 0, None))]


def test_what_a_look_shows_is_settled_by_it_and_not_asked_for_again(box: Box) -> None:
    here, taken = box.server.deliver(mail()), box.server.deliver(mail())
    rows = box.unsettled(here, taken)
    stays = box.unsettled(taken, to=INBOX)
    box.server.delete(taken)
    look = Look(INBOX, box.session.select(INBOX), frozenset({1}), (), (), ())
    commands: list[str] = []
    box.server.before = commands.append
    assert [item.id for item in box.settle.resume(box.session, [look])] == [rows[0].id]
    assert commands == []
    assert [(record.settled, record.place) for record in box.rows(*(row.id for row in rows + stays))] == [
        (False, rows[0].place),
        (True, Place(PROCESSED, 0, None)),
        (True, Place(INBOX, 0, None)),
    ]


def test_a_folder_that_cannot_be_seen_now_keeps_no_other_waiting(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    (hidden,) = box.unsettled(box.server.deliver(mail(), DONE))
    (other,) = box.unsettled(box.server.deliver(mail(), FAILED))
    select = box.session.select

    def all_but_one(folder: str) -> FolderState:
        if folder == DONE:
            raise CommandRefused("select")
        return cast("FolderState", select(folder))

    monkeypatch.setattr(box.session, "select", all_but_one)
    assert [item.id for item in box.settle.resume(box.session, [])] == [other.id]
    assert not any(record.settled for record in box.rows(hidden.id, other.id))


@pytest.mark.parametrize("which", [0, 1], ids=["renumbered", "no number"])
def test_what_has_no_number_that_holds_is_found_by_its_header(box: Box, which: int) -> None:
    box.server.deliver(mail(), DONE)
    one = box.server.deliver(mail(), DONE)
    (row,) = box.unsettled(one, place=not_known(box, DONE)[which])
    assert [item.place for item in box.settle.resume(box.session, [])] == [box.place(one)]
    assert box.places(row) == [box.place(one)]


def test_look_alikes_with_and_without_a_number_are_both_found(box: Box) -> None:
    first, second = (box.server.deliver(raw, DONE) for raw in alike(2))
    places = {row.id: box.place(first) for row in box.unsettled(first)}
    places |= {row.id: box.place(second) for row in box.unsettled(second, place=not_known(box, DONE)[1])}
    assert {item.id: item.place for item in box.settle.resume(box.session, [])} == places


# -- moving


def settlements(records: list[Record]) -> list[Settlement]:
    return [item for record in records if (item := Settlement.of(record)) is not None]


def test_the_folder_that_is_selected_is_not_selected_again(box: Box) -> None:
    rows = box.unsettled(box.server.deliver(mail()), box.server.deliver(mail()))
    box.session.select(INBOX)
    commands: list[str] = []
    box.server.before = commands.append
    assert box.settle.settle(box.session, settlements(rows)) == set()
    assert commands == ["move"]


@pytest.mark.parametrize("selected", [INBOX, JUNK])
def test_a_number_of_before_the_folder_was_renumbered_moves_nothing(box: Box, selected: str) -> None:
    one, other = box.server.deliver(mail()), box.server.deliver(mail())
    rows = box.unsettled(one) + box.unsettled(other, place=not_known(box, INBOX)[0])
    box.session.select(selected)
    assert box.settle.settle(box.session, settlements(rows)) == {INBOX}
    box.settle.record_moves(wait=True)
    assert (box.place(one).folder, box.place(other).folder) == (PROCESSED, INBOX)
    assert [record.settled for record in box.rows(*(row.id for row in rows))] == [True, False]


@pytest.mark.parametrize("capabilities", [("MOVE", "UIDPLUS"), ("UIDPLUS",)], ids=["move", "copy"])
def test_what_the_server_refuses_to_move_stays_is_told_of_and_keeps_no_other_waiting(
    logged: Callable[[str], list[EventDict]], capabilities: tuple[str, ...]
) -> None:
    box = Box(*capabilities)
    mails = [box.server.deliver(mail(), nailed=number in (1, 2)) for number in range(4)]
    box.unsettled(*mails)
    box.settle.settle(box.session, box.settle.resume(box.session, []))  # as after a crash: the target is looked into
    box.settle.record_moves(wait=True)
    assert [box.place(one).folder for one in mails] == [PROCESSED, INBOX, INBOX, PROCESSED]
    assert logged("mailbox.move_refused") == [{"count": 2, "folder": INBOX, "target": PROCESSED, "log_level": "error"}]


def test_a_copy_that_was_made_before_is_not_made_again() -> None:
    box = Box("UIDPLUS")
    one = box.server.deliver(mail())
    (row,) = box.unsettled(one)
    box.server.folders[PROCESSED].put(Mail(one.raw, one.origin))
    box.settle.settle(box.session, box.settle.resume(box.session, []))
    assert [len(box.server.folders[name].mails) for name in (INBOX, PROCESSED)] == [0, 1]
    assert [(record.settled, record.place) for record in box.rows(row.id)] == [(True, box.place(one))]


@pytest.mark.parametrize("copied", [True, False])
@pytest.mark.parametrize("known", ["placed", "number unknown", "place unknown"])
def test_a_look_alike_in_the_target_is_no_copy_of_ours(known: str, copied: bool) -> None:
    box = Box("UIDPLUS")
    there, one = box.server.deliver(alike(1)[0], PROCESSED), box.server.deliver(alike(1)[0])
    validity = box.validity(PROCESSED)
    place = {
        "placed": None,
        "number unknown": Place(PROCESSED, validity, None),
        "place unknown": Place(PROCESSED, 0, None),
    }
    box.settled(there, place=place[known])
    box.unsettled(one)
    if copied:
        box.server.folders[PROCESSED].put(Mail(one.raw, one.origin))
    box.settle.settle(box.session, box.settle.resume(box.session, []))
    assert not box.server.folders[INBOX].mails
    assert sorted(left.origin for left in box.server.all_mail(PROCESSED)) == [there.origin, one.origin]


# -- deleting


def test_all_that_is_old_is_deleted_folder_by_folder_and_no_command_is_too_long(box: Box) -> None:
    count = uid_sets.MAX_COMMAND_UIDS
    old = [box.server.deliver(mail(), PROCESSED) for _ in range(count + 1)]
    other = [box.server.deliver(mail(), DONE) for _ in range(2)]
    rows = box.settled(*old) + box.settled(*other)
    assert sorted(box.settle.delete(box.session, rows)) == [row.id for row in rows]
    assert [(folder, len(uids)) for folder, uids in box.removed] == [(PROCESSED, count), (PROCESSED, 1), (DONE, 2)]
    assert box.server.all_mail() == []


def test_what_is_not_asked_for_is_not_deleted(box: Box) -> None:
    old, young = (box.server.deliver(mail(), PROCESSED) for _ in range(2))
    rows = box.settled(old)
    box.settled(young)
    assert box.settle.delete(box.session, rows) == [row.id for row in rows]
    assert box.server.all_mail() == [young]


def test_without_uidplus_nothing_is_deleted() -> None:
    box = Box("MOVE")
    one = box.server.deliver(mail(), PROCESSED)
    assert box.settle.delete(box.session, box.settled(one)) == []
    assert box.server.all_mail() == [one]


@pytest.mark.parametrize("refused", ["select", "delete"])
def test_a_folder_of_which_nothing_can_be_deleted_is_told_of(
    box: Box, refused: str, logged: Callable[[str], list[EventDict]]
) -> None:
    rows = box.settled(*(box.server.deliver(mail(), DONE) for _ in range(3)))
    rows += (last := box.settled(box.server.deliver(mail(), PROCESSED)))
    if refused == "select":
        del box.server.folders[DONE]
    else:
        box.server.refusing.add(("delete", DONE))
    assert box.settle.delete(box.session, rows) == [row.id for row in last]
    assert logged("mailbox.delete_refused") == [{"folder": DONE, "count": 3, "log_level": "warning"}]


@pytest.mark.parametrize("which", [0, 1], ids=["renumbered", "no number"])
def test_what_has_no_number_that_holds_is_looked_for_and_deleted(box: Box, which: int) -> None:
    stranger = box.server.deliver(mail(), PROCESSED)
    rows = box.settled(box.server.deliver(mail(), PROCESSED), place=not_known(box, PROCESSED)[which])
    assert box.settle.delete(box.session, rows) == [row.id for row in rows]
    assert box.server.all_mail() == [stranger]


def test_settled_messages_without_a_number_that_holds_are_read_once_for_each_folder(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be many of them."""
    read: list[str] = []

    def noted(name: str, state: FolderState) -> list[Record]:
        read.append(name)
        return Messages.settled_somewhere_in(box.messages, name, state)

    monkeypatch.setattr(box.messages, "settled_somewhere_in", noted)
    rows = [box.settled(box.server.deliver(mail(), name), place=not_known(box, name)[1]) for name in (PROCESSED, DONE)]
    box.settle.delete(box.session, [row for several in rows for row in several])
    assert read == [PROCESSED, DONE]
    assert box.server.all_mail() == []


def test_look_alikes_with_and_without_a_number_are_both_deleted(box: Box) -> None:
    first, second = (box.server.deliver(raw, PROCESSED) for raw in alike(2))
    rows = box.settled(first) + box.settled(second, place=not_known(box, PROCESSED)[1])
    assert sorted(box.settle.delete(box.session, rows)) == [row.id for row in rows]
    assert box.server.all_mail() == []


def test_a_persons_copy_beside_the_mail_that_is_old_is_kept(box: Box) -> None:
    old = box.server.deliver(mail(), PROCESSED)
    copy = box.server.copy(old, PROCESSED)
    rows = box.settled(old)
    assert box.settle.delete(box.session, rows) == [row.id for row in rows]
    assert box.server.all_mail() == [copy]


@pytest.mark.parametrize("which", [0, 1], ids=["renumbered", "no number"])
def test_mail_that_we_have_just_moved_is_not_deleted_for_a_look_alike_that_somebody_took_away(
    box: Box, which: int
) -> None:
    """The journal doesn't know yet that it was moved."""
    (moved,) = (box.server.deliver(raw) for raw in alike(1))
    box.unsettled(moved)
    box.server.move(moved, PROCESSED)
    (taken,) = (box.server.deliver(raw, PROCESSED, received_at=1.0) for raw in alike(1))
    rows = box.settled(taken, place=not_known(box, PROCESSED)[which])
    box.server.delete(taken)
    assert box.settle.delete(box.session, rows) == []
    assert box.server.all_mail() == [moved]


@pytest.mark.parametrize("other", ["deleted", "gone", "unsettled"])
def test_mail_is_not_taken_for_a_look_alike_that_is_not_settled_there(box: Box, other: str) -> None:
    nowhere = not_known(box, PROCESSED)[1]
    one = box.server.deliver(mail(), PROCESSED)
    match other:
        case "deleted":
            (before,) = box.settled(one, place=nowhere)
            box.messages.deleted([before.id])
        case "gone":
            (before,) = box.pending(one, place=nowhere)
            box.journal_places.missed([before.id], gone_after=1, now=box.clock())
        case _:
            (before,) = box.unsettled(one, to=DONE, place=nowhere)
    (before,) = box.rows(before.id)
    assert (before.is_deleted, before.state is State.GONE, before.settled) == (
        other == "deleted",
        other == "gone",
        other != "unsettled",
    )
    rows = box.settled(one, place=nowhere)
    assert box.settle.delete(box.session, rows) == [row.id for row in rows]
    assert box.rows(before.id) == [before]


def test_what_search_misses_is_told_of_with_its_folder(box: Box, logged: Callable[[str], list[EventDict]]) -> None:
    rows = box.settled(box.server.deliver(mail(), PROCESSED, unsearched=True))
    assert box.settle.delete(box.session, rows) == [row.id for row in rows]
    found = box.settled(box.server.deliver(mail(), DONE, unsearched=True), place=not_known(box, DONE)[1])
    assert box.settle.delete(box.session, found) == [row.id for row in found]
    told = [line["folder"] for line in logged("mailbox.search_incomplete")]
    assert told == [PROCESSED, DONE, DONE]
    (lost,) = box.unsettled(box.server.deliver(mail(), FAILED, unsearched=True), place=not_known(box, FAILED)[1])
    assert [item.id for item in box.settle.resume(box.session, [])] == [lost.id]
    assert logged("mailbox.search_incomplete")[3:] == [{"folder": FAILED, "count": 1, "log_level": "warning"}]


# -- bringing back


def test_what_is_to_be_handled_anew_is_brought_back_from_every_folder_that_is_there(box: Box) -> None:
    watched = box.pending(box.server.deliver(mail()))
    dead = [box.server.deliver(mail(), FAILED) for _ in range(2)]
    failed = box.pending(*dead)
    box.server.delete(dead[0])
    gone = box.pending(box.server.deliver(mail(), DONE))
    del box.server.folders[DONE]
    junk = [box.server.deliver(mail(), JUNK) for _ in range(2)]
    renumbered = box.pending(junk[0], place=Place(JUNK, box.validity(JUNK) + 100, 1))
    released = box.pending(junk[1])
    other = box.pending(box.server.deliver(mail(), ELSEWHERE), place=Place(ELSEWHERE, box.validity(ELSEWHERE), 9))
    rows = [*watched, *failed, *gone, *renumbered, *released, *other]
    assert box.settle.bring_back(box.session, rows, INBOX) == [failed[0], *gone, *renumbered, *other]
    assert box.removed == [(FAILED, [2]), (JUNK, [2])]
    assert box.server.find(junk[0]) == (JUNK, 1)
    assert box.places(failed[1], *released) == [Place(INBOX, box.validity(INBOX), uid) for uid in (2, 3)]
    assert box.places(*watched, failed[0], *gone, *renumbered, *other) == [
        row.place for row in (*watched, failed[0], *gone, *renumbered, *other)
    ]


@pytest.mark.parametrize("says", [FolderRefused, busy])
def test_what_is_in_a_folder_that_is_not_opened_now_stays_and_is_not_absent(
    box: Box, says: Callable[[str], MailboxError]
) -> None:
    away, gone, failed = (box.pending(box.server.deliver(mail(), folder)) for folder in (JUNK, DONE, FAILED))
    box.server.closed[JUNK] = says
    del box.server.folders[DONE]
    assert box.settle.bring_back(box.session, [*away, *gone, *failed], INBOX) == gone
    assert box.removed == [(FAILED, [1])]
    assert box.places(*away, *gone) == [row.place for row in (*away, *gone)]


def test_a_number_of_before_a_folder_was_renumbered_is_nobody_elses(box: Box) -> None:
    valid = box.pending(box.server.deliver(mail(), FAILED))
    stale = box.pending(box.server.deliver(mail(), FAILED), place=Place(FAILED, box.validity(FAILED) + 100, 1))
    assert box.settle.bring_back(box.session, [*stale, *valid], INBOX) == stale
    assert box.removed == [(FAILED, [1])]
    assert box.places(*stale) == [stale[0].place]


@pytest.mark.parametrize("told", [True, False], ids=["copyuid", "no copyuid"])
def test_the_new_places_are_written_down_as_far_as_they_are_told(
    box: Box, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uid_sets, "MAX_COMMAND_UIDS", 2)
    box.server.copyuid = told
    box.server.deliver(mail())
    rows = box.pending(*(box.server.deliver(mail(), FAILED) for _ in range(3)))
    assert box.settle.bring_back(box.session, rows, INBOX) == []
    assert box.removed == [(FAILED, [1, 2]), (FAILED, [3])]
    if told:
        assert box.places(*rows) == [Place(INBOX, box.validity(INBOX), uid) for uid in (2, 3, 4)]
    else:
        assert box.places(*rows) == [Place(INBOX, 0, None)] * 3


def test_without_move_nothing_is_brought_back() -> None:
    box = Box("UIDPLUS")
    rows = box.pending(box.server.deliver(mail(), FAILED))
    assert box.settle.bring_back(box.session, rows, INBOX) == []
    assert box.removed == []
    assert box.places(*rows) == [row.place for row in rows]


def test_what_the_server_refuses_to_bring_back_stays_and_is_told_of(
    box: Box, logged: Callable[[str], list[EventDict]]
) -> None:
    mails = [box.server.deliver(mail(), FAILED, nailed=number in (1, 2)) for number in range(4)]
    rows = box.pending(*mails)
    assert box.settle.bring_back(box.session, rows, INBOX) == []
    assert [row.place.folder for row in box.rows(*(row.id for row in rows))] == [INBOX, FAILED, FAILED, INBOX]
    assert box.places(*rows) == [box.place(one) for one in mails]
    there = {"count": 2, "folder": FAILED, "target": INBOX, "log_level": "error"}
    assert logged("mailbox.move_refused") == [there | {"keys": f"{rows[1].key}, {rows[2].key}"}]
