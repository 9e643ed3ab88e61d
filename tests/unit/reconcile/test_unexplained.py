"""Mail among the handled that no row explains: another worker is found, and nobody is accused for what was there."""

import io
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Mail, Server, mail
from tests.fakes.world import World
from worker.journal.facts import Facts
from worker.journal.unexplained_note import read_note
from worker.logs.log import configure as configure_logging
from worker.mailbox.errors import ConnectionLost
from worker.mailbox.folders import Layout
from worker.message.outcome import State
from worker.reconcile.unexplained import Unexplained


def looker(world: World, folder: str | None = PROCESSED) -> Unexplained:
    return Unexplained(
        world.journal,
        Facts(world.database),
        Layout((INBOX,)),
        handled=folder,
        fingerprints=world.journal_parts().fingerprints,
    )


def look(world: World) -> int:
    """What the hourly look leaves behind, as alerts and metrics see it."""
    looker(world).do(world.server.session())  # type: ignore[arg-type]  # a fake, with those methods that are used
    note = read_note(Facts(world.database))
    return 0 if note is None else note.count


def counted(world: World) -> int:
    return looker(world).count(world.server.session())  # type: ignore[arg-type]  # as above


def acknowledge(world: World) -> int:
    return looker(world).acknowledge(world.server.session())  # type: ignore[arg-type]  # as above


@pytest.fixture
def server() -> Server:
    return Server()


def started(server: Server) -> World:
    world = World(server)
    look(world)
    return world


def test_two_workers_with_a_state_folder_each_find_each_other(server: Server) -> None:
    ours, others = started(server), started(server)
    server.deliver(mail())
    ours.drain()
    server.deliver(mail())
    others.drain()
    assert (look(ours), look(others)) == (1, 1)
    assert (counted(ours), counted(others)) == (1, 1)


def test_it_is_logged_once_and_again_when_there_is_more(server: Server) -> None:
    ours, others = started(server), started(server)
    configure_logging(level="info", format="json", stream=io.StringIO(), hooks=False)
    with capture_logs() as lines:
        for _ in range(2):
            server.deliver(mail())
            others.drain()
            look(ours)
            look(ours)
        server.delete(server.all_mail(PROCESSED)[0])
        assert look(ours) == 1
    said = [(line["folder"], line["count"]) for line in lines if line["event"] == "mailbox.unexplained"]
    assert said == [(PROCESSED, 1), (PROCESSED, 2)]


def test_what_another_worker_took_while_we_knew_of_it_counts_too(server: Server) -> None:
    """Its row says `gone`, which explains nothing."""
    ours, others = started(server), started(server)
    server.deliver(mail("always"))
    ours.tick()
    assert ours.states() == {State.PENDING: 1}
    server.move(server.all_mail(INBOX)[0], PROCESSED)
    assert look(ours) == 0  # it may come back
    ours.drain()
    assert ours.states() == {State.GONE: 1}
    assert look(ours) == 1
    others.drain()


def test_what_lay_there_before_is_known(server: Server) -> None:
    for _ in range(5):
        server.deliver(mail(), PROCESSED)
    ours = started(server)
    assert look(ours) == 0
    server.deliver(mail(), PROCESSED)
    assert look(ours) == 1


def test_a_person_acknowledges_what_was_moved_there(server: Server) -> None:
    ours = started(server)
    for _ in range(3):
        server.deliver(mail(), PROCESSED)
    assert look(ours) == 3
    assert acknowledge(ours) == 3
    assert (look(ours), counted(ours), acknowledge(ours)) == (0, 0, 0)
    server.deliver(mail(), PROCESSED)
    assert look(ours) == 1


def test_what_is_taken_out_again_counts_no_more(server: Server) -> None:
    ours = started(server)
    one = server.deliver(mail(), PROCESSED)
    assert look(ours) == 1
    server.move(one, ELSEWHERE)
    assert look(ours) == 0


def test_what_people_move_of_our_own_mail_is_explained(server: Server) -> None:
    ours = started(server)
    kinds = ("ok", "reject", "junk")
    for kind in kinds:
        server.deliver(mail(kind), JUNK if kind == "junk" else INBOX)
    ours.drain()
    for one in server.all_mail(FAILED, JUNK):
        server.move(one, PROCESSED)
    assert look(ours) == 0


@pytest.mark.parametrize("capabilities", [("MOVE", "UIDPLUS"), ("UIDPLUS",), ("MOVE",)])
@pytest.mark.parametrize("copyuid", [True, False])
def test_our_own_mail_is_explained_on_any_server(capabilities: tuple[str, ...], copyuid: bool) -> None:
    server = Server(capabilities=capabilities)
    server.copyuid = copyuid
    ours = started(server)
    for _ in range(4):
        server.deliver(mail())
        ours.drain()
        assert look(ours) == 0
    server.deliver(mail(), PROCESSED)
    assert look(ours) == 1


def test_a_copy_of_handled_mail_is_not_that_mail(server: Server) -> None:
    ours = started(server)
    one = server.deliver(mail())
    ours.drain()
    server.copy(one, PROCESSED)
    assert look(ours) == 1


def test_a_folder_that_is_renumbered_or_replaced_accuses_nobody(server: Server) -> None:
    ours = started(server)
    server.deliver(mail())
    ours.drain()
    server.deliver(mail(), PROCESSED)
    assert look(ours) == 1
    server.renumber(PROCESSED)
    assert look(ours) == 0
    server.deliver(mail(), PROCESSED)
    assert look(ours) == 1


def test_a_header_that_is_not_shown_yet_is_looked_at_later(server: Server) -> None:
    ours = started(server)
    one = server.deliver(mail(), PROCESSED, headless=True)
    assert look(ours) == 0
    one.headless = False
    assert look(ours) == 1


def test_without_a_folder_of_its_own_or_while_it_is_absent_nothing_is_found(server: Server) -> None:
    ours = started(server)
    session = server.session()
    assert looker(ours, None).count(session) == 0  # type: ignore[arg-type]  # a fake
    assert looker(ours, None).acknowledge(session) == 0  # type: ignore[arg-type]  # a fake
    server.deliver(mail(), PROCESSED)
    assert look(ours) == 1
    del server.folders[PROCESSED]
    assert (counted(ours), acknowledge(ours), look(ours)) == (0, 0, 1)  # what was found is remembered


def test_a_restored_journal_knows_its_later_mail_once_it_is_rebuilt_or_acknowledged(server: Server) -> None:
    """Rows that were restored know nothing of what was settled since; `journal rebuild` acknowledges at its end."""
    earlier, ours = started(server), started(server)
    server.deliver(mail())
    ours.drain()
    assert look(earlier) == 1
    assert acknowledge(earlier) == 1
    assert look(earlier) == 0


def test_only_what_is_new_is_read(server: Server) -> None:
    ours = started(server)
    for _ in range(6):
        server.deliver(mail())
    ours.drain()
    look(ours)
    read: list[str] = []
    server.before = read.append
    look(ours)
    assert read == ["status"]
    server.deliver(mail(), PROCESSED)
    read.clear()
    assert look(ours) == 1
    assert read == ["status", "select", "search", "heads"]


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["deliver", "ours", "others", "file", "unfile", "look", "acknowledge", "restart", "lose"]),
            st.integers(0, 5),
        ),
        max_size=30,
    ),
    older=st.integers(0, 3),
    copyuid=st.booleans(),
)
def test_exactly_what_others_put_there_is_found(steps: list[tuple[str, int]], older: int, copyuid: bool) -> None:
    """Whatever two workers and a person do in whatever order: no false alarm, and nothing missed."""
    server = Server()
    server.copyuid = copyuid
    known = {server.deliver(mail(), PROCESSED).origin for _ in range(older)}
    ours, others = started(server), World(server)

    def foreign() -> int:
        handled = {call.raw for call in ours.calls}
        there: list[Mail] = server.all_mail(PROCESSED)
        return sum(one.origin not in known and one.raw not in handled for one in there)

    for what, which in steps:
        inbox, filed = server.all_mail(INBOX), server.all_mail(PROCESSED)
        if what == "deliver":
            server.deliver(mail())
        elif what in ("ours", "others"):
            (ours if what == "ours" else others).drain()
        elif what == "file" and inbox:
            server.move(inbox[which % len(inbox)], PROCESSED)
        elif what == "unfile" and filed:
            server.move(filed[which % len(filed)], ELSEWHERE)
        elif what == "restart":
            ours.start()
        elif what == "acknowledge":
            assert acknowledge(ours) == foreign()
            known |= {one.origin for one in server.all_mail(PROCESSED)}
        elif what == "lose":
            server.before = _losing(which)
            with suppress(ConnectionLost):
                look(ours)
            server.before = lambda _name: None
        elif what == "look":
            assert look(ours) == foreign()
        assert counted(ours) == foreign()
    assert look(ours) == foreign() == counted(ours)


def _losing(calls: int) -> Callable[[str], None]:
    """A hook of the server: the connection is lost at the command after so many."""
    left = [calls]

    def hook(_name: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise ConnectionLost("lost")

    return hook
