"""The inbox is one folder, however the settings spell it and whatever earlier versions called it in the journal."""

import pytest
from sqlalchemy import select, update

from tests.fakes.mailbox import INBOX, PROCESSED, Folder, mail
from tests.fakes.world import World
from tests.unit.journal.world import new
from worker.journal.database import Database
from worker.journal.facts import Facts
from worker.journal.header_reads import HeaderReads
from worker.journal.inbox_rows import InboxRows
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Looked, Place
from worker.journal.schema import folder, headerless, message
from worker.journal.unexplained_note import UnexplainedNote, read_note, write_note
from worker.message.outcome import State


class CaselessInbox(dict[str, Folder]):
    """The folders of a server that takes INBOX in any letters, as all do."""

    def __getitem__(self, name: str) -> Folder:
        return super().__getitem__(INBOX if name.upper() == INBOX else name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(INBOX if str(name).upper() == INBOX else name)


def worker_with(handled: str) -> World:
    """A worker that has handled five messages, and tries another two again."""
    world = World(handled=handled)
    world.server.folders = CaselessInbox(world.server.folders)
    for kind in ("ok",) * 5 + ("twice",) * 2:
        world.server.deliver(mail(kind))
    world.tick(1)
    world.tick(1)
    assert world.states() == {State.HANDLED: 5, State.PENDING: 2}
    return world


def goes_on(world: World) -> None:
    """Nothing counts as new, and each message ends as handled: the five were archived once, so were the others."""
    world.drain()
    assert world.states() == {State.HANDLED: 7}
    assert sorted(call.handler for call in world.finished) == ["archive"] * 7 + ["notify"] * 7
    assert not world.repeated
    there = INBOX if world.handled == "keep" else PROCESSED
    assert {row.place.folder for row in world.rows()} == {there}
    assert not world.balance().unaccounted


def name_it(database: Database, name: str) -> None:
    """Have the journal call the inbox this, as one of an earlier version may."""
    with database.write() as connection:
        connection.execute(update(message).where(message.c.folder == INBOX).values(folder=name))
        connection.execute(update(folder).where(folder.c.name == INBOX).values(name=name))


def rename_all(database: Database, at_once: int = 100) -> None:
    while InboxRows(database).rename_some(at_once):
        pass


# -- the whole worker


@pytest.mark.parametrize("handled", ["keep", PROCESSED])
def test_the_settings_may_spell_it_otherwise_at_the_next_start(handled: str) -> None:
    world = worker_with(handled)
    for spelled in ("Inbox", "inbox"):
        world.watched_folders = (spelled,)
        world.start()
        world.tick(1)
        assert len(world.rows()) == 7
    goes_on(world)


@pytest.mark.parametrize("handled", ["keep", PROCESSED])
@pytest.mark.parametrize("spelled", ["Inbox", INBOX])
def test_a_journal_that_calls_it_otherwise_is_taken_over(handled: str, spelled: str) -> None:
    world = worker_with(handled)
    name_it(world.database, "Inbox")
    world.watched_folders = (spelled,)
    world.start()
    goes_on(world)
    assert "Inbox" not in world.places.last_looks()


@pytest.mark.parametrize("handled", ["keep", PROCESSED])
def test_where_both_names_have_rows_nothing_that_is_done_is_done_again(handled: str) -> None:
    world = worker_with(handled)
    name_it(world.database, "Inbox")
    world.server.deliver(mail())
    world.tick(1)
    assert {row.place.folder for row in world.rows() if row.state is State.PENDING} == {"Inbox", INBOX}
    done = {row.key for row in world.rows() if row.state is State.HANDLED}
    world.start()
    world.drain()
    assert world.states()[State.PENDING] == 0
    assert not [call for call in world.repeated if call.key in done]
    assert not world.balance().unaccounted


# -- what is renamed


def test_messages_and_where_they_are_to_go(database: Database, messages: Messages) -> None:
    names = ["Inbox", "inbox", "iNBOX", INBOX, "Inbox.Results", "Results"]
    messages.add([new(f"{number}" * 26, number, folder=name) for number, name in enumerate(names)], 1.0)
    with database.write() as connection:
        connection.execute(update(message).values(settle_to=message.c.folder, outcome_at=1.0))
        connection.execute(update(message).where(message.c.folder == "Results").values(settle_to="Inbox"))
    rename_all(database)
    rows = {row.place.folder: row.settle_to for row in messages.everything()}
    assert [row.place.folder for row in messages.everything()] == [INBOX] * 4 + ["Inbox.Results", "Results"]
    assert rows == {INBOX: INBOX, "Inbox.Results": "Inbox.Results", "Results": INBOX}


def test_a_few_messages_at_a_time_and_all_else_after_the_last(database: Database, messages: Messages) -> None:
    messages.add([new(f"{number}" * 26, number, folder="Inbox") for number in range(5)], 1.0)
    Places(database).looked_at({"Inbox": Looked(14, 6, "mark")})
    rows = InboxRows(database)
    for left in (3, 1):
        assert rows.rename_some(2)
        assert [row.place.folder for row in messages.everything()].count("Inbox") == left
        assert Places(database).last_looks().keys() == {"Inbox"}
    assert not rows.rename_some(2)
    assert Places(database).last_looks() == {INBOX: Looked(14, 6, "mark")}
    assert not rows.rename_some(2)


@pytest.mark.parametrize(
    ("looks", "kept"),
    [
        ({INBOX: Looked(14, 6, "mark")}, Looked(14, 6, "mark")),
        ({"inbox": Looked(14, 6, "mark")}, Looked(14, 6, "mark")),
        ({"Inbox": Looked(14, 9, "later"), INBOX: Looked(14, 6, "mark")}, Looked(14, 9, "")),
        ({"Inbox": Looked(14, 9, "before"), "inbox": Looked(15, 6, "mark")}, Looked(15, 6, "")),
    ],
)
def test_the_last_look_at_it(database: Database, looks: dict[str, Looked], kept: Looked) -> None:
    places = Places(database)
    other = {"Junk": Looked(15, 3, "of junk")}
    places.looked_at({**looks, **other})
    rename_all(database)
    assert places.last_looks() == {INBOX: kept, **other}


def test_since_when_a_header_is_awaited(database: Database) -> None:
    places = Places(database)
    places.await_headers(INBOX, {(14, 1): 10.0}, [])
    places.await_headers("Inbox", {(14, 1): 20.0, (14, 2): 30.0}, [])
    places.await_headers("Junk", {(15, 1): 40.0}, [])
    rename_all(database)
    assert places.headerless(INBOX) == {(14, 1): 10.0, (14, 2): 30.0}
    with database.read() as connection:
        assert set(connection.execute(select(headerless.c.folder)).scalars()) == {INBOX, "Junk"}


def test_which_headers_are_being_read_and_ended_the_process(database: Database) -> None:
    places = Places(database)
    places.read_headers(
        HeaderReads(
            (Place("Inbox", 14, 3), Place("Junk", 15, 1)),
            deaths={Place("inbox", 14, 1): 4, Place(INBOX, 14, 1): 2, Place("Junk", 15, 2): 1},
        )
    )
    rename_all(database)
    assert places.header_reads() == HeaderReads(
        (Place(INBOX, 14, 3), Place("Junk", 15, 1)), deaths={Place(INBOX, 14, 1): 4, Place("Junk", 15, 2): 1}
    )


@pytest.mark.parametrize(("name", "renamed"), [("Inbox", INBOX), ("Processed", "Processed")])
def test_the_note_of_mail_that_no_row_explains(database: Database, name: str, renamed: str) -> None:
    facts = Facts(database)
    write_note(facts, UnexplainedNote(name, 14, 3, (1, 2), 2))
    rename_all(database)
    assert read_note(facts) == UnexplainedNote(renamed, 14, 3, (1, 2), 2)
