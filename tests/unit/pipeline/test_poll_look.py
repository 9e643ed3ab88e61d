"""A look by itself: what is new, missing and found in a folder, and whether it is the same folder as before."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.checks import Logged, fields
from tests.fakes.journal import with_tables
from tests.fakes.mailbox import INBOX, JUNK, FakeSession, Mail, Server, mail
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Looked, NewMessage, Place, Record, Result
from worker.journal.tries import Tries
from worker.mailbox import uid_sets
from worker.mailbox.errors import ConnectionLost
from worker.mailbox.folders import Layout
from worker.message.key import Fingerprints
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.poll import COMPARED, Poll
from worker.pipeline.whereabouts import Look

DAY = 86_400.0


class Watch:
    """A poll with a journal and a mailbox."""

    def __init__(self, since: datetime | None = None) -> None:
        database = with_tables(Database("sqlite://"))
        self.messages, self.places, self.tries = Messages(database), Places(database), Tries(database)
        self.fingerprints = Fingerprints("results@nhs.net")
        self.server = Server()
        self.commands: list[tuple[str, str | None]] = []
        self.session = FakeSession(self.server)
        self.server.before = lambda name: self.commands.append((name, self.session.selected))
        self.poll = Poll(
            messages=self.messages,
            places=self.places,
            fingerprints=self.fingerprints,
            layout=Layout((INBOX,), JUNK),
            since=since,
        )

    def add(
        self, *, folder: str = INBOX, state: State = State.PENDING, reason: str | None = None
    ) -> tuple[Mail, Record]:
        """A message that lies in the folder, and its row."""
        one = self.server.deliver(mail(), folder)
        box = self.server.folders[folder]
        block = one.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        place = Place(folder, box.uidvalidity, box.uidnext - 1)
        new = NewMessage(self.fingerprints.of_block(block), place, 10, one.received_at, Verdict(MailPath.CLEAN))
        (record,) = self.messages.add([new], 1.0)
        if state is not State.PENDING or reason:
            self.tries.record([Result(record.id, state, reason)], 2.0)
        return one, self.row(record)

    def row(self, record: Record) -> Record:
        return next(row for row in self.messages.everything() if row.id == record.id)

    def look(self, *, news: bool | None = None) -> list[Look]:
        self.commands.clear()
        session: Any = self.session
        return self.poll.look(session, news=news)

    def inbox(self) -> Look:
        """The next look at the INBOX, which is listed anew."""
        self.poll.look_again(INBOX)
        return self.look()[0]

    def next_process(self) -> None:
        """What was seen is stored, and read by a process that knows nothing else."""
        self.places.looked_at(self.poll.looked())
        self.poll.forget()


@pytest.fixture
def watch() -> Watch:
    """A poll with a journal and a mailbox."""
    return Watch()


def test_the_first_look_lists_each_watched_folder(watch: Watch) -> None:
    watch.server.deliver(mail())
    watch.server.deliver(mail(), JUNK)
    looks = watch.look()
    assert [(one.folder, one.new, set(one.present)) for one in looks] == [(INBOX, (1,), {1}), (JUNK, (1,), {1})]
    assert [one.state for one in looks] == [watch.server.folders[name].state for name in (INBOX, JUNK)]


def test_new_is_what_no_row_places_there_and_what_was_gone(watch: Watch) -> None:
    for state in (State.PENDING, State.HANDLED, State.GONE):
        watch.add(state=state)
    watch.server.deliver(mail())
    watch.server.deliver(mail())
    assert watch.inbox().new == (3, 4, 5)


def test_missing_is_pending_mail_that_is_not_in_its_place(watch: Watch) -> None:
    (here, taken), (_, stays), (done, _) = watch.add(), watch.add(), watch.add(state=State.HANDLED)
    _, unplaced = watch.add()
    watch.places.misplaced([unplaced.id])
    watch.server.delete(here)
    watch.server.delete(done)
    look = watch.inbox()
    assert look.missing == (taken, watch.row(unplaced))
    assert look.found == ()
    assert not look.holds(taken)
    assert look.holds(stays)


def test_found_is_pending_mail_that_an_earlier_look_missed(watch: Watch) -> None:
    (_, missed), (here, taken), (_, _never), (_, done) = (
        watch.add(),
        watch.add(),
        watch.add(),
        watch.add(state=State.HANDLED),
    )
    watch.places.missed([missed.id, taken.id, done.id], gone_after=9, now=3.0)
    watch.server.delete(here)
    assert [record.id for record in watch.inbox().found] == [missed.id]


def test_a_folder_that_has_not_changed_is_not_listed_again(watch: Watch) -> None:
    watch.server.deliver(mail())
    watch.look()
    watch.session.select(INBOX)
    assert watch.look() == []
    assert watch.commands == [("noop", INBOX), ("status", INBOX)]


@pytest.mark.parametrize("news", [False, True])
def test_of_the_selected_folder_idle_has_told_already(watch: Watch, news: bool) -> None:
    watch.look()
    watch.session.select(INBOX)
    looks = watch.look(news=news)
    assert [one.folder for one in looks] == ([INBOX] if news else [])
    assert [name for name, _ in watch.commands][:1] == ["status"]


def test_a_change_in_a_folder_that_is_not_selected_shows_in_its_status(watch: Watch) -> None:
    watch.look()
    watch.session.select(INBOX)
    watch.server.deliver(mail(), JUNK)
    assert [(one.folder, one.new) for one in watch.look(news=False)] == [(JUNK, (1,))]


def test_what_came_while_another_folder_was_selected_shows_in_the_answer_to_select(watch: Watch) -> None:
    watch.look()
    watch.server.deliver(mail())
    watch.session.select(INBOX)
    assert [one.folder for one in watch.look(news=False)] == [INBOX]


def test_what_each_folder_looked_like_is_kept_until_it_is_to_be_listed_again(watch: Watch) -> None:
    watch.server.deliver(mail())
    watch.look()
    boxes = {name: watch.server.folders[name] for name in (INBOX, JUNK)}
    looked = {
        name: Looked(box.uidvalidity, box.uidnext, uid_sets.checksum(set(box.mails))) for name, box in boxes.items()
    }
    assert watch.poll.looked() == looked
    watch.poll.look_again(INBOX)
    assert watch.poll.looked() == {JUNK: looked[JUNK]}


def test_what_search_misses_is_told_of_with_its_folder(watch: Watch, logged: Logged) -> None:
    watch.server.deliver(mail(), JUNK, unsearched=True)
    watch.server.deliver(mail(), JUNK)
    assert watch.look()[1].new == (1, 2)
    assert fields(logged, "mailbox.search_incomplete") == [{"folder": JUNK, "count": 1}]


# -- with `poll.since`


SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def test_older_mail_is_neither_new_nor_missing() -> None:
    watch = Watch(SINCE)
    assert watch.poll.leaves_out
    watch.server.deliver(mail(), received_at=SINCE.timestamp() - DAY)
    watch.server.deliver(mail(), received_at=SINCE.timestamp())
    _, pending = watch.add()
    watch.server.folders[INBOX].mails[3].received_at = SINCE.timestamp() - DAY
    look = watch.inbox()
    assert (look.new, look.missing, set(look.present)) == ((2,), (), {1, 2, 3})
    assert look.holds(pending)
    assert watch.poll.looked()[INBOX].seen == uid_sets.checksum({2})


def test_what_comes_during_a_look_is_for_the_next() -> None:
    watch = Watch(SINCE)
    watch.server.deliver(mail())
    searches: list[str] = []

    def deliver(name: str) -> None:
        if name == "search":
            searches.append(name)
            if len(searches) == 2:  # the first one was in the junk folder
                watch.server.deliver(mail(), received_at=SINCE.timestamp() + DAY)

    watch.server.folders[INBOX].mails[1].received_at = SINCE.timestamp() + DAY
    watch.server.after = deliver
    look = watch.inbox()
    assert (look.new, set(look.present)) == ((1,), {1})


def test_of_mail_that_is_not_left_out_what_search_misses_is_told_of(logged: Logged) -> None:
    watch = Watch(SINCE)
    watch.server.deliver(mail(), JUNK, unsearched=True, received_at=SINCE.timestamp())
    watch.look()
    assert {line["folder"] for line in logged("mailbox.search_incomplete")} == {JUNK}


# -- whether it is the same folder


def test_the_same_folder_is_known_by_its_headers(watch: Watch, logged: Logged) -> None:
    watch.add()
    watch.look()
    watch.next_process()
    looks = watch.look()
    assert [one.displaced for one in looks] == [{}, {}]
    assert ("heads", INBOX) in watch.commands
    assert logged("mailbox.folder_replaced") == logged("mailbox.uidvalidity_changed") == []


def test_a_folder_is_compared_once_after_each_new_connection(watch: Watch) -> None:
    watch.add()
    watch.look()
    watch.next_process()
    watch.inbox()
    watch.inbox()
    assert ("heads", INBOX) not in watch.commands
    watch.poll.forget()
    watch.look()
    assert ("heads", INBOX) in watch.commands


def test_a_folder_that_was_never_looked_at_is_no_other_one(watch: Watch) -> None:
    one, record = watch.add()
    one.raw = mail()
    look = watch.inbox()
    assert (look.displaced, look.missing) == ({}, ())
    assert look.holds(record)


def test_in_a_folder_that_was_renumbered_the_old_places_hold_no_more(watch: Watch, logged: Logged) -> None:
    _, record = watch.add()
    watch.look()
    watch.next_process()
    watch.server.renumber(INBOX)
    look = watch.look()[0]
    assert (look.displaced, look.missing, look.new) == ({}, (record,), (1,))
    assert fields(logged, "mailbox.uidvalidity_changed") == [{"folder": INBOX}]
    assert logged("mailbox.folder_replaced") == []


def test_a_folder_whose_next_number_went_down_is_another(watch: Watch, logged: Logged) -> None:
    _, record = watch.add()
    watch.add()
    watch.look()
    watch.next_process()
    box = watch.server.folders[INBOX]
    del box.mails[2]
    box.uidnext = 2
    look = watch.look()[0]
    nowhere = Place(INBOX, record.place.uidvalidity, None)
    assert look.displaced[record.id] == nowhere
    assert len(look.displaced) == 2
    assert (look.new, {one.place for one in look.missing}) == ((1,), {nowhere})
    assert fields(logged, "mailbox.folder_replaced") == [{"folder": INBOX}]
    assert [line["log_level"] for line in logged("mailbox.folder_replaced")] == ["warning"]


@pytest.mark.parametrize(
    ("others", "replaced"),
    [
        ((1,), False),
        ((1, 2, 3), True),
        ((6, 7, 8), True),
        ((1, 2, 7, 8), False),
        ((4, 5), False),
        (range(1, 9), True),
    ],
)
def test_a_folder_is_another_if_all_headers_at_one_end_differ(watch: Watch, others: Any, replaced: bool) -> None:
    assert COMPARED == 3
    mails = [watch.add()[0] for _ in range(8)]
    watch.look()
    watch.next_process()
    for uid in others:
        mails[uid - 1].raw = mail()
    look = watch.look()[0]
    assert bool(look.displaced) is replaced
    assert len(look.displaced) == (8 if replaced else 0)


def test_what_never_showed_its_own_header_is_not_compared(watch: Watch) -> None:
    waiting, gone = watch.add(reason="stand-in:retrieval")[0], watch.add(state=State.GONE)[0]
    watch.look()
    watch.next_process()
    waiting.raw, gone.raw = mail(), mail()
    assert watch.look()[0].displaced == {}
    assert ("heads", INBOX) not in watch.commands


def test_a_message_whose_header_is_not_shown_says_nothing(watch: Watch) -> None:
    one, _ = watch.add()
    watch.look()
    watch.next_process()
    one.headless = True
    assert watch.look()[0].displaced == {}


def test_a_folder_whose_comparison_ended_the_connection_is_not_compared_on_the_next(watch: Watch) -> None:
    one, _ = watch.add()
    watch.look()
    watch.next_process()
    one.breaks_at_head = True
    with pytest.raises(ConnectionLost):
        watch.look()
    watch.session = FakeSession(watch.server)
    watch.poll.forget()
    watch.look()
    assert ("heads", INBOX) not in watch.commands
    one.breaks_at_head = False
    watch.poll.forget()
    watch.look()
    assert ("heads", INBOX) in watch.commands


def test_the_first_folder_is_selected_between_polls(watch: Watch) -> None:
    assert watch.poll.rest == INBOX
    assert not watch.poll.leaves_out
