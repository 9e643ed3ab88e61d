"""How many messages count as come since the last poll, folder by folder."""

from typing import Any

import pytest

from tests.fakes.journal import with_tables
from tests.fakes.mailbox import INBOX, JUNK, FakeSession, Mail, Server, mail
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Looked, NewMessage, Place, Result
from worker.journal.tries import Tries
from worker.mailbox.folders import Layout
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.arrivals import Arrivals


class Pause:
    """A mailbox that was polled, with the journal of then."""

    def __init__(self) -> None:
        database = with_tables(Database("sqlite://"))
        self.messages, self.places, self.tries = Messages(database), Places(database), Tries(database)
        self.server = Server()
        self.commands: list[str] = []
        self.session: Any = FakeSession(self.server)
        self.server.before = self.commands.append
        self.arrivals = Arrivals(messages=self.messages, places=self.places, layout=Layout((INBOX,), JUNK))

    def come(self, count: int, folder: str = INBOX) -> list[Mail]:
        return [self.server.deliver(mail(), folder) for _ in range(count)]

    def polled(self) -> None:
        boxes = {name: self.server.folders[name] for name in (INBOX, JUNK)}
        self.places.looked_at({name: Looked(box.uidvalidity, box.uidnext, "") for name, box in boxes.items()})

    def row(
        self, uid: int, *, state: State = State.PENDING, folder: str = INBOX, uidvalidity: int | None = None
    ) -> None:
        validity = uidvalidity or self.server.folders[folder].uidvalidity
        new = NewMessage(chr(96 + uid) * 26, Place(folder, validity, uid), 10, 5.0, Verdict(MailPath.CLEAN))
        (record,) = self.messages.add([new], 1.0)
        if state is not State.PENDING:
            self.tries.record([Result(record.id, state)], 2.0)

    def count(self) -> int:
        self.commands.clear()
        return self.arrivals.count(self.session)


@pytest.fixture
def pause() -> Pause:
    """A mailbox that was polled, with the journal of then."""
    return Pause()


def test_what_has_come_since_is_counted_over_all_watched_folders(pause: Pause) -> None:
    pause.come(7)
    pause.polled()
    assert pause.count() == 0
    pause.come(3)
    pause.come(2, JUNK)
    assert pause.count() == 5
    assert pause.commands == ["status", "status"]


def test_the_selected_folder_is_selected_once_more(pause: Pause) -> None:
    pause.session.select(INBOX)
    pause.come(2)
    assert pause.count() == 2
    assert pause.commands == ["select", "status"]


def test_in_a_folder_that_was_never_polled_or_was_renumbered_all_of_it_may_have_come(pause: Pause) -> None:
    pause.come(4)
    assert pause.count() == 4
    pause.polled()
    pause.server.renumber(INBOX)
    assert pause.count() == 4


@pytest.mark.parametrize(("taken", "left"), [(1, 2), (3, 0)])
def test_no_more_is_counted_than_lies_there(pause: Pause, taken: int, left: int) -> None:
    pause.polled()
    for one in pause.come(3)[:taken]:
        pause.server.delete(one)
    assert pause.count() == left


def test_what_has_a_row_already_is_not_counted_again(pause: Pause) -> None:
    """A poll that was broken off took it in."""
    pause.come(2)
    pause.row(1)
    pause.row(2)
    pause.polled()
    pause.come(5)
    pause.row(3)
    pause.row(4, state=State.HANDLED)
    pause.row(5, state=State.GONE)
    pause.row(6, uidvalidity=99)
    assert pause.count() == 3
    pause.come(1, JUNK)
    pause.row(1, folder=JUNK)
    assert pause.count() == 3


def test_a_folder_whose_next_number_went_down_has_nothing_new(pause: Pause) -> None:
    pause.come(3)
    pause.polled()
    box = pause.server.folders[INBOX]
    box.uidnext = 2
    assert pause.count() == 0


def test_rows_of_before_a_folder_was_renumbered_say_nothing_of_what_lies_there_now(pause: Pause) -> None:
    pause.come(4)
    pause.row(1, uidvalidity=99)
    pause.row(2, uidvalidity=99)
    assert pause.count() == 4
