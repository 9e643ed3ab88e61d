"""Admission by itself: what the row of each new UID holds, and what is handed on of a batch."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from sqlalchemy import select

from tests.fakes.journal import with_tables
from tests.fakes.mailbox import INBOX, JUNK, FakeSession, Mail, Server, mail
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Place, Record, Result
from worker.journal.schema import message
from worker.journal.tries import Tries
from worker.mailbox.folders import Layout
from worker.message.content_mark import ContentMarks
from worker.message.key import Fingerprints
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.pipeline.admit import FIELD_BYTES, Admission, Admitted, Top
from worker.pipeline.header_suspects import Batch, HeaderSuspects
from worker.pipeline.known_senders import Sender
from worker.pipeline.late_headers import HEADER_WAIT, NO_HEADER, LateHeaders
from worker.pipeline.observer import Observer
from worker.pipeline.recognition import KnownAgain, Recognition
from worker.pipeline.report import Report
from worker.pipeline.whereabouts import Look, Whereabouts

MARK = "parts:0123"
SENDER = Sender("ab" * 16, listed=True, confirmed=False)


class Moves:
    """Moves in flight: when they are recorded, this is what happens."""

    def __init__(self) -> None:
        self.recorded: Callable[[], object] = lambda: None
        self.waits: list[bool] = []

    def record_moves(self, *, wait: bool) -> None:
        self.waits.append(wait)
        self.recorded()


class Gate:
    """Admission with a journal and a mailbox."""

    def __init__(self) -> None:
        self.database = database = with_tables(Database("sqlite://"))
        self.messages, self.places, self.tries = Messages(database), Places(database), Tries(database)
        self.fingerprints = Fingerprints("results@nhs.net")
        self.marks = ContentMarks(b"key")
        self.server = Server(folders=["Results"])
        self.session: Any = FakeSession(self.server)
        self.now = 100.0
        self.classified: list[tuple[str | None, bool, frozenset[str]]] = []
        self.layout = Layout((INBOX, "Results"), JUNK)
        self.moves = Moves()
        nobody: Any = set()
        suspects = HeaderSuspects(self.places, in_hand=nobody, deaths=3)
        whereabouts = Whereabouts(self.messages, self.places, self.fingerprints)
        self.admission = Admission(
            messages=self.messages,
            places=self.places,
            whereabouts=whereabouts,
            suspects=suspects,
            late_headers=LateHeaders(self.places, suspects, self.clock),
            recognition=Recognition(
                messages=self.messages,
                tries=self.tries,
                places=self.places,
                layout=self.layout,
                pool=nobody,
                move_releases=False,
                observer=Observer(),
                clock=self.clock,
            ),
            moves=self.moves,
            fingerprints=self.fingerprints,
            marks=self.marks,
            layout=self.layout,
            classify=self.classify,
            sender_of=lambda headers: SENDER if headers.get("From") else Sender(),
            clock=self.clock,
        )

    def clock(self) -> float:
        return self.now

    def classify(self, headers: Headers, in_junk_folder: bool, keywords: frozenset[str]) -> Verdict:
        self.classified.append((headers.get("Subject"), in_junk_folder, keywords))
        if in_junk_folder:
            return Verdict(
                MailPath.JUNK, (Evidence("placement", None, "junk-folder", "it lies in the junk folder", counts=True),)
            )
        return Verdict(MailPath.CLEAN)

    def look(self, folder: str = INBOX, *, new: Sequence[int] | None = None) -> Look:
        """A look at the folder as it is. new: other UIDs than all."""
        box = self.server.folders[folder]
        return Look(
            folder, box.state, frozenset(box.mails), tuple(sorted(box.mails)) if new is None else tuple(new), (), ()
        )

    def admit(
        self,
        folder: str = INBOX,
        *,
        uids: Sequence[int] | None = None,
        suspect: bool = False,
        others: Sequence[Look] = (),
    ) -> Admitted:
        look = self.look(folder, new=uids)
        self.session.select(folder)
        return self.admission.admit(self.session, look, Batch(look.new, suspect), [look, *others])

    def rows(self) -> list[Record]:
        return self.messages.everything()

    def done(self, record: Record, state: State = State.HANDLED, content: str | None = MARK) -> None:
        self.tries.record([Result(record.id, state, content=content)], 2.0)


@pytest.fixture
def gate() -> Gate:
    """Admission with a journal and a mailbox."""
    return Gate()


def block(one: Mail) -> bytes:
    return one.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def test_a_new_message_gets_a_row_with_all_that_its_header_says(gate: Gate) -> None:
    one = gate.server.deliver(mail(), received_at=1_700_000_123.0, size=4_321)
    admitted = gate.admit()
    (row,) = gate.rows()
    assert row.place == Place(INBOX, gate.server.folders[INBOX].uidvalidity, 1)
    assert row.fingerprint == row.key == gate.fingerprints.of_block(block(one))
    assert (row.size, row.received_at, row.first_seen_at) == (4_321, 1_700_000_123.0, 100.0)
    assert (row.sender, row.sender_confirmed, row.verdict) == (SENDER.mark, False, Verdict(MailPath.CLEAN))
    assert (row.state, row.doubtful) == (State.PENDING, False)
    assert admitted.new == (row,)
    assert admitted.rows == {row.id}
    assert admitted.report == Report(new=1)
    nothing: dict[str, Any] = {"by_headers": 0, "lost": (), "look_again": frozenset(), "unread": (), "headless": ()}
    assert {name: getattr(admitted, name) for name in nothing} == nothing
    assert (admitted.folder, admitted.suspect, admitted.again) == (INBOX, False, KnownAgain())


def test_moves_in_flight_are_recorded_before_a_look_alike_of_what_they_move_is_judged(gate: Gate) -> None:
    """Otherwise the message that we move would count as lost, and its look-alike as that message."""
    one = gate.server.deliver(mail(serial=1))
    (row,) = gate.admit().new
    gate.tries.record([Result(row.id, State.HANDLED, settle_to="Processed", content=MARK)], 2.0)
    gate.server.move(one, "Processed")
    gate.moves.recorded = lambda: gate.places.settled([(row.id, Place("Processed", 0, None))], 3.0)
    gate.server.deliver(mail(serial=1))
    admitted = gate.admit()
    assert gate.moves.waits == [True]
    assert admitted.lost == ()
    assert [(record.key, record.doubtful) for record in admitted.new] == [(f"{row.key}-2", False)]
    gate.server.deliver(mail(serial=1))
    gate.admit(uids=[3])
    assert gate.moves.waits == [True], "nothing is being moved any more"


def test_the_folder_is_selected_again_if_recording_moves_selects_another(gate: Gate) -> None:
    one = gate.server.deliver(mail(serial=1))
    (row,) = gate.admit().new
    gate.tries.record([Result(row.id, State.HANDLED, settle_to="Processed")], 2.0)
    gate.server.delete(one)
    gate.moves.recorded = lambda: gate.session.select("Results")
    gate.server.deliver(mail(serial=1))
    gate.admit()
    assert gate.session.selected == INBOX


def test_a_sender_that_the_settings_name_is_marked_so(gate: Gate) -> None:
    """Whoever reviews junk sees mail of known senders first."""
    gate.server.deliver(mail())
    gate.server.deliver(mail().replace(b"From: ", b"X-From: "))
    gate.admit()
    with gate.database.read() as connection:
        assert list(connection.execute(select(message.c.sender_listed).order_by(message.c.id)).scalars()) == [
            True,
            False,
        ]


@pytest.mark.parametrize("suspect", [False, True])
def test_a_batch_says_whether_it_is_a_suspect(gate: Gate, suspect: bool) -> None:
    gate.server.deliver(mail())
    assert gate.admit(suspect=suspect).suspect is suspect


def test_the_path_is_decided_by_the_headers_the_folder_and_the_keywords(gate: Gate) -> None:
    gate.server.deliver(mail(serial=1), keywords=frozenset({"$Phishing"}))
    gate.server.deliver(mail(serial=2), JUNK)
    gate.admit()
    gate.admit(JUNK)
    subjects = [Headers.from_bytes(one.raw).get("Subject") for one in gate.server.all_mail()]
    assert gate.classified == [(subjects[0], False, frozenset({"$Phishing"})), (subjects[1], True, frozenset())]
    assert [row.verdict.path for row in gate.rows()] == [MailPath.CLEAN, MailPath.JUNK]


def test_the_header_of_each_message_is_kept_for_its_fetch(gate: Gate) -> None:
    one, other = gate.server.deliver(mail()), gate.server.deliver(mail())
    tops = gate.admit().tops
    first, second = gate.rows()
    assert {row: top.raw for row, top in tops.items()} == {first.id: block(one), second.id: block(other)}
    assert tops[first.id].headers.get("Subject") == Headers.from_bytes(one.raw).get("Subject")


def test_only_so_many_headers_are_kept_as_there_is_room_for(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    mails = [gate.server.deliver(mail()) for _ in range(3)]
    tops = [Top(block(one), Headers.from_bytes(one.raw)) for one in mails]
    memory = [3 * len(top.raw) + FIELD_BYTES * len(top.headers) for top in tops]
    assert [top.memory for top in tops] == memory
    monkeypatch.setattr("worker.pipeline.admit.TOPS_BYTES", memory[0] + memory[1])
    assert len(gate.admit().tops) == 2
    other = Gate()
    for one in mails:
        other.server.deliver(one.raw)
    monkeypatch.setattr("worker.pipeline.admit.TOPS_BYTES", memory[0] + memory[1] - 1)
    assert len(other.admit().tops) == 1
    assert len(other.rows()) == 3


def test_a_large_header_leaves_its_room_to_the_smaller_ones_after_it(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = mail().replace(b"Subject: ", b"X-Filler: " + b"x" * 5_000 + b"\r\nSubject: ")
    gate.server.deliver(large)
    gate.server.deliver(mail())
    monkeypatch.setattr("worker.pipeline.admit.TOPS_BYTES", 6_000)
    tops = gate.admit().tops
    assert list(tops) == [gate.rows()[1].id]


# -- headers that aren't shown


def test_a_header_that_is_not_shown_yet_has_no_row(gate: Gate) -> None:
    gate.server.deliver(mail(), headless=True)
    gate.server.deliver(mail())
    gate.server.deliver(mail(), headless=True)
    admitted = gate.admit()
    assert admitted.unread == (1, 3)
    assert [row.place.uid for row in gate.rows()] == [2]
    assert admitted.report == Report(new=1, unread=2)


def test_a_header_that_is_never_shown_is_given_up_with_a_row_that_knows_its_place_alone(gate: Gate) -> None:
    gate.server.deliver(mail(), headless=True, size=4_321)
    assert gate.admit().unread == (1,)
    gate.now += HEADER_WAIT
    late = gate.server.deliver(mail(), headless=True)
    admitted = gate.admit()
    (row,) = gate.rows()
    assert (row.size, row.received_at, row.first_seen_at, row.sender) == (0, gate.now, gate.now, None)
    assert (row.fingerprint, row.place.uid) == (gate.fingerprints.of_nothing, 1)
    assert admitted.headless == ((row, NO_HEADER),)
    assert (admitted.unread, admitted.tops, admitted.new) == ((2,), {}, (row,))
    assert late.headless
    assert gate.classified == [(None, False, frozenset())]


# -- known messages


def test_a_pending_message_in_a_new_place_keeps_its_row(gate: Gate) -> None:
    one = gate.server.deliver(mail())
    gate.admit()
    gate.server.move(one, "Results")
    empty = gate.look()
    admitted = gate.admit("Results", others=[empty])
    (row,) = gate.rows()
    there = Place("Results", gate.server.folders["Results"].uidvalidity, 1)
    assert row.place == there
    assert (admitted.new, set(admitted.rows), admitted.again.places) == ((), {row.id}, {row.id: there})
    assert list(admitted.tops) == [row.id]
    assert admitted.lost == ()


@pytest.mark.parametrize("room", [0, 1_000_000])
@pytest.mark.parametrize(("added", "known"), [(b"", True), (b"X-Other: x\r\n", False)])
def test_junk_without_a_body_is_known_by_all_its_headers_whether_they_are_kept_or_not(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, room: int, added: bytes, known: bool
) -> None:
    monkeypatch.setattr("worker.pipeline.admit.TOPS_BYTES", room)
    one = gate.server.deliver(mail())
    gate.admit()
    (row,) = gate.rows()
    gate.done(row, State.JUNK, content=gate.marks.of_headers(Headers.from_bytes(one.raw)))
    gate.server.move(one, "Results")
    one.raw = added + one.raw
    admitted = gate.admit("Results", others=[gate.look()])
    assert (row.id in admitted.again.places, len(admitted.new)) == (known, int(not known))
    assert len(admitted.tops) == (1 if room else 0)


def test_a_copy_of_a_message_that_is_still_there_is_another_message(gate: Gate) -> None:
    one = gate.server.deliver(mail())
    gate.admit()
    gate.server.copy(one, "Results")
    admitted = gate.admit("Results", others=[gate.look(new=())])
    first, second = gate.rows()
    assert second.key == f"{first.key}-2"
    assert admitted.new == (second,)


def test_what_got_its_row_since_the_look_gets_no_other(gate: Gate) -> None:
    gate.server.deliver(mail())
    gate.admit()
    admitted = gate.admit()
    assert len(gate.rows()) == 1
    assert (admitted.new, admitted.rows, admitted.again) == ((), frozenset(), KnownAgain())


def test_done_mail_that_only_its_headers_can_show_is_counted(gate: Gate) -> None:
    """Nobody knows the content of what an earlier version handled."""
    mails = [gate.server.deliver(mail()) for _ in range(3)]
    gate.admit()
    handled, junk, pending = gate.rows()
    gate.done(handled, content=None)
    gate.done(junk, State.FAILED, content=None)
    for one in mails:
        gate.server.move(one, "Results")
    admitted = gate.admit("Results", others=[gate.look()])
    assert admitted.by_headers == 2
    assert admitted.rows == {handled.id, junk.id, pending.id}
    assert admitted.report == Report(moved_back=len(admitted.again.moved_back))


def test_done_mail_that_is_not_where_it_was_is_lost_and_what_looks_like_it_is_in_doubt(gate: Gate) -> None:
    one = gate.server.deliver(mail(), received_at=1.0)
    gate.admit()
    (done,) = gate.rows()
    gate.done(done)
    gate.server.delete(one)
    gate.server.deliver(one.raw, "Results", received_at=2.0)
    admitted = gate.admit("Results", others=[gate.look()])
    old, new = gate.rows()
    assert old.is_lost
    assert [record.id for record in admitted.lost] == [done.id]
    assert (new.doubtful, new.state, new.key) == (True, State.PENDING, f"{old.key}-2")
    assert admitted.new == ()
    assert admitted.rows == {new.id}
    assert admitted.report == Report()

    gate.server.deliver(one.raw, "Results", received_at=3.0)
    again = gate.admit("Results", uids=[2], others=[gate.look()])
    assert again.lost == ()  # it was known to be lost before
    assert again.new == ()


def test_what_may_still_be_where_it_was_is_no_longer_lost(gate: Gate) -> None:
    one = gate.server.deliver(mail(), received_at=1.0)
    gate.admit()
    (done,) = gate.rows()
    gate.done(done)
    gate.places.lost([done.id])
    assert gate.rows()[0].is_lost
    gate.server.copy(one, "Results")
    gate.admit("Results")
    assert [row.is_lost for row in gate.rows()] == [False, False]


def test_two_messages_with_one_header_are_told_apart_together(gate: Gate) -> None:
    """And beside others: each is new, with a number of its own."""
    raws = [mail(serial=7), mail(serial=8), mail(serial=7), mail(serial=8), mail()]
    for raw in raws:
        gate.server.deliver(raw)
    admitted = gate.admit()
    assert len(admitted.new) == len(gate.rows()) == 5
    assert sorted(row.key.partition("-")[2] for row in gate.rows()) == ["", "", "", "2", "2"]


def test_the_batches_are_those_of_the_suspects(gate: Gate) -> None:
    for _ in range(3):
        gate.server.deliver(mail())
    place = Place(INBOX, gate.server.folders[INBOX].uidvalidity, 2)
    gate.places.read_headers(cast("Any", replace(gate.places.header_reads(), reading=(place,))))
    assert gate.admission.batches(gate.look()) == [Batch((2,), suspect=True), Batch((1, 3), suspect=False)]
