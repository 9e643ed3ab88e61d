"""Commands that are sent together: one round trip, each answer for its own command, and the connection stays usable."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letters
from tests.rig.proxy import Answer, Proxy
from tests.rig.scripted import ScriptedServer, Step, answer, expect, greeting, hang, send
from tests.rig.worker import Worker, eventually
from worker.mailbox.errors import CommandRefused, FolderBusy, FolderRefused
from worker.mailbox.session import ArrivalDays, Endpoint, FolderState, Session

MakeWorker = Callable[..., Worker]
Scripted = Callable[..., ScriptedServer]
FAR = 0.06
"""Seconds: what is sent together is on its way before the first answer comes."""
MOST_ALONE = 15
BEFORE_COMMANDS = 3
"""The round trips for TCP, TLS and the greeting."""


def at(server: Proxy | ScriptedServer, read: float = 5.0) -> Session:
    session = Session(Endpoint(server.host, server.port, Path(server.ca_file), connect_timeout=5.0, read_timeout=read))
    session.connect()
    return session


@pytest.fixture
def session(dovecot: Mailbox, proxy: Proxy) -> Iterator[Session]:
    """Logged in, through the proxy."""
    dovecot.append_many("INBOX", letters(3))
    proxy.latency = FAR
    found = at(proxy)
    found.login(dovecot.address, dovecot.password)
    yield found
    found.close()


def trips(proxy: Proxy, work: Callable[[], object]) -> int:
    with proxy.measure() as used:
        work()
    return used.round_trips


@pytest.mark.parametrize("together", [True, False])
def test_each_costs_one_round_trip_unless_every_answer_is_waited_for(
    session: Session, proxy: Proxy, *, together: bool
) -> None:
    if not together:
        session.wait_for_each_answer()
    assert session.has("MOVE")  # asks for the capabilities, once
    costs = {
        "create": trips(proxy, lambda: list(session.create_all(["Processed", "Failed"]))),
        "days": trips(proxy, lambda: days_and_state(session)),
        "list": trips(proxy, lambda: session.select_and_search("INBOX")),
        "glance": trips(proxy, lambda: session.glance([JUNK, "Failed"], noop=True)),
    }
    alone = {"create": 2, "days": 5, "list": 2, "glance": 3}
    assert costs == (dict.fromkeys(costs, 1) if together else alone)


def days_and_state(session: Session) -> FolderState:
    session.days(["INBOX", JUNK], states_of=["Failed"])
    return session.status("Failed")


@pytest.mark.parametrize("together", [True, False])
def test_they_say_what_each_command_says_by_itself(session: Session, *, together: bool) -> None:
    if not together:
        session.wait_for_each_answer()
    assert {folder.name for folder in session.folders()} >= {"INBOX", JUNK}
    assert session.namespaces() == [("", "/")] == session.namespaces()
    assert list(session.create_all(["Processed", JUNK, "Failed"])) == ["Processed", JUNK, "Failed"]
    days = session.days([JUNK, "INBOX"])
    assert session.selected is None
    assert days[JUNK] == ArrivalDays(0, {})
    assert days["INBOX"].messages == sum((days["INBOX"].by_day or {}).values()) == 3
    assert session.select_and_search(JUNK)[1] == set()
    state, uids = session.select_and_search("INBOX")
    assert session.selected == "INBOX"
    assert session.selected_state == state
    assert uids == {1, 2, 3}
    assert session.search(uidnext=state.uidnext) == uids
    news, states = session.glance([JUNK, "Failed"], noop=True)
    assert (news, states) == (False, {JUNK: session.status(JUNK), "Failed": session.status("Failed")})


def test_the_listing_of_a_mailbox_reads_on_beyond_the_first_window(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.mailbox.message_reader.SEARCH_WINDOW", 2)
    monkeypatch.setattr("worker.mailbox.session.FIRST_WINDOW", "1:2")
    assert session.select_and_search("INBOX")[1] == {1, 2, 3}


@pytest.mark.parametrize("together", [True, False])
def test_all_windows_of_a_listing_take_one_round_trip(
    session: Session, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, *, together: bool
) -> None:
    if not together:
        session.wait_for_each_answer()
    monkeypatch.setattr("worker.mailbox.message_reader.SEARCH_WINDOW", 1)
    session.select("INBOX")
    for since in (None, date(2020, 1, 1)):
        assert trips(proxy, partial(session.search, uidnext=4, since=since)) == (1 if together else 3)
        assert session.search(uidnext=4, since=since) == {1, 2, 3}
    assert session.search(uidnext=4, since=date(2100, 1, 1)) == set()


def test_mail_that_came_is_news_beside_the_states_of_others(session: Session, dovecot: Mailbox) -> None:
    session.select_and_search("INBOX")
    dovecot.append_many("INBOX", letters(1))
    dovecot.append_many(JUNK, letters(1))
    news, states = session.glance([JUNK], noop=True)
    assert news
    assert states[JUNK].messages == 1
    assert session.glance([JUNK], noop=True)[0] is False


# -- one of them is refused


def test_a_refused_create_is_raised_for_its_folder_alone(session: Session, proxy: Proxy) -> None:
    proxy.on('^CREATE "Failed"', Answer("{tag} NO [NOPERM] Permission denied"))
    names = session.create_all(["Processed", "Failed", "Kept"])
    assert next(names) == "Processed"
    with pytest.raises(CommandRefused):
        next(names)
    assert {"Processed", "Kept"} <= {folder.name for folder in session.folders()}
    session.close()
    eventually(lambda: proxy.commands[-1] == "LOGOUT")


def test_a_refused_status_names_its_folder_and_the_rest_was_read(session: Session, proxy: Proxy) -> None:
    session.select_and_search("INBOX")
    proxy.on(f'^STATUS "{JUNK}"', Answer("{tag} NO [NONEXISTENT] no such folder"))
    with pytest.raises(FolderRefused, match=JUNK):
        session.glance([JUNK, "Drafts"], noop=True)
    assert session.selected == "INBOX"
    assert session.glance([JUNK, "Drafts"], noop=True)[1].keys() == {JUNK, "Drafts"}


def test_a_refused_select_leaves_no_folder_selected_and_no_answer_unread(session: Session, proxy: Proxy) -> None:
    session.select_and_search("INBOX")
    with pytest.raises(FolderRefused, match="Nowhere"):
        session.select_and_search("Nowhere")
    assert session.selected is None
    assert session.select_and_search("INBOX")[1] == {1, 2, 3}


def test_a_refused_search_is_raised_and_the_folder_is_selected(session: Session, proxy: Proxy) -> None:
    proxy.on("^UID SEARCH", Answer("{tag} NO not now"))
    with pytest.raises(CommandRefused):
        session.select_and_search("INBOX")
    assert session.selected == "INBOX"
    assert session.select_and_search("INBOX")[1] == {1, 2, 3}


def test_what_a_server_says_to_a_search_in_an_empty_folder_does_not_matter(session: Session, proxy: Proxy) -> None:
    proxy.on("^UID SEARCH", Answer("{tag} BAD The specified message set is invalid."))
    assert session.select_and_search(JUNK)[1] == set()
    assert session.noop() is False


@pytest.mark.parametrize("said", ["NO not now", "BAD Command Error. 10"])
def test_a_server_that_tells_no_days_of_one_folder_tells_those_of_the_other(
    session: Session, proxy: Proxy, dovecot: Mailbox, said: str
) -> None:
    dovecot.append_many(JUNK, letters(1))
    proxy.on(r"^UID FETCH 1:\* \(INTERNALDATE\)", Answer(f"{{tag}} {said}"))
    found = session.days(["INBOX", JUNK])
    assert found["INBOX"] == ArrivalDays(3, None)
    assert sum((found[JUNK].by_day or {}).values()) == 1
    assert session.select_and_search("INBOX")[1] == {1, 2, 3}


def test_a_state_that_was_asked_for_ahead_is_told_once(session: Session, proxy: Proxy, dovecot: Mailbox) -> None:
    session.days(["INBOX"], states_of=[JUNK])
    dovecot.append_many(JUNK, letters(1))
    assert (session.status(JUNK).messages, trips(proxy, lambda: session.status(JUNK))) == (0, 1)
    assert session.status(JUNK).messages == 1


@pytest.mark.parametrize("opens", ["select", "examine", "days", "select_and_search"])
def test_a_state_that_was_asked_for_ahead_is_dropped_with_the_next_folder(
    session: Session, dovecot: Mailbox, opens: str
) -> None:
    session.days(["INBOX"], states_of=[JUNK])
    dovecot.append_many(JUNK, letters(1))
    getattr(session, opens)(["INBOX"] if opens == "days" else "INBOX")
    assert session.status(JUNK).messages == 1
    assert session.select_and_search("INBOX")[1] == {1, 2, 3}


def test_a_state_that_was_asked_for_ahead_is_refused_when_it_is_asked_for(session: Session, proxy: Proxy) -> None:
    proxy.on(f'^STATUS "{JUNK}"', Answer("{tag} NO [NONEXISTENT] no such folder"))
    assert session.days(["INBOX"], states_of=[JUNK])["INBOX"].messages == 3
    with pytest.raises(FolderRefused, match=JUNK):
        session.status(JUNK)
    assert session.select_and_search("INBOX")[1] == {1, 2, 3}


@pytest.mark.parametrize("first", ["all of it", "what EXAMINE shows", "EXAMINE"])
def test_a_state_may_be_told_at_any_time(scripted: Scripted, first: str) -> None:
    """As RFC 3501, 5.5 allows: STATUS is about another folder."""
    day = '* 1 FETCH (UID 3 INTERNALDATE " 1-Feb-2024 23:59:59 +0000")'
    lines = [*OPENED, "{tag-2} OK [READ-ONLY] done", day, "{tag-1} OK done"]
    at = {"all of it": len(lines), "what EXAMINE shows": len(OPENED), "EXAMINE": len(OPENED) + 1}[first]
    lines[at:at] = [state_of("Failed", 2), "{tag} OK done"]
    asked = [expect(r"\w+ EXAMINE .*"), expect(r"\w+ UID FETCH .*"), expect(r"\w+ STATUS .*")]
    session, _ = scripted_session(scripted, *asked, *map(send, lines), expect(r"\w+ LOGOUT"))
    assert session.days(["INBOX"], states_of=["Failed"]) == {"INBOX": ArrivalDays(4, {date(2024, 2, 1): 1})}
    assert session.status("Failed").messages == 2
    session.close()


def test_a_folder_whose_days_are_asked_for_may_be_refused(session: Session) -> None:
    with pytest.raises(FolderRefused, match="Nowhere"):
        session.days(["Nowhere", "INBOX"], states_of=[JUNK])
    assert session.select_and_search("INBOX")[1] == {1, 2, 3}


def test_a_namespace_that_is_refused_counts_as_none(session: Session, proxy: Proxy) -> None:
    proxy.on("^NAMESPACE", Answer("{tag} NO not here"))
    assert session.folders()
    assert session.namespaces() == []
    assert session.namespaces() == [("", "/")], "it is asked for anew"


# -- odd servers

CAPABILITIES = "IMAP4rev1 MOVE UIDPLUS"
OPENED = ("* 4 EXISTS", "* OK [UIDVALIDITY 14] valid", "* OK [UIDNEXT 10] next")


def scripted_session(scripted: Scripted, *steps: Step) -> tuple[Session, ScriptedServer]:
    """Logged in at a server that names its capabilities with the login."""
    login = answer(r"\w+ LOGIN .*", f"{{tag}} OK [CAPABILITY {CAPABILITIES}] done")
    server = scripted([*greeting(CAPABILITIES), *login, *steps])
    session = at(server)
    assert session.login_offer().login
    session.login("pathology.results@nhs.net", "Bright-Harbour-92")
    assert session.has("MOVE")
    return session, server


def test_days_are_read_as_they_are_written(scripted: Scripted) -> None:
    lines = (
        '* 1 FETCH (UID 3 INTERNALDATE " 1-Feb-2024 23:59:59 +0000")',
        '* 2 FETCH (INTERNALDATE "01-Feb-2024 00:00:00 -1100" UID 4)',
        "* 3 FETCH (FLAGS (\\Seen))",
        "* 3 FETCH (UID 5 INTERNALDATE NIL)",
        '* 4 FETCH (UID 6 INTERNALDATE "31-Feb-2024 10:00:00 +0000")',
    )
    steps = [
        *answer(r"\w+ EXAMINE .*", *OPENED, "{tag} OK [READ-ONLY] done"),
        *answer(r"\w+ UID FETCH .*", *lines, "{tag} OK done"),
    ]
    session, _ = scripted_session(scripted, *steps, expect(r"\w+ LOGOUT"))
    assert session.days(["INBOX"]) == {"INBOX": ArrivalDays(4, {date(2024, 2, 1): 2, None: 2})}
    session.close()


def test_a_select_that_says_too_little_is_asked_again_with_status(scripted: Scripted) -> None:
    status = answer(r"\w+ STATUS .*", '* STATUS "INBOX" (MESSAGES 4 UIDNEXT 10 UIDVALIDITY 14)', "{tag} OK done")
    select = answer(r"\w+ SELECT .*", "* 4 EXISTS", "{tag} OK [READ-WRITE] done")
    search = answer(r"\w+ UID SEARCH .*", "* SEARCH 1 2 3 9", "{tag} OK done")
    session, _ = scripted_session(scripted, *select, *search, *status, *select, *status, *search, expect(r"\w+ LOGOUT"))
    state, uids = session.select_and_search("INBOX")
    assert ((state.messages, state.uidnext, state.uidvalidity), uids) == ((4, 10, 14), {1, 2, 3, 9})
    session.close()


def test_mail_that_comes_while_the_folder_is_opened_counts(scripted: Scripted) -> None:
    """Nothing tells of it again. A report about the folder that was open until then may come first as well."""
    select = answer(r"\w+ SELECT .*", "* 0 EXISTS", *OPENED, "* 5 EXISTS", "{tag} OK [READ-WRITE] done")
    search = answer(r"\w+ UID SEARCH .*", "* SEARCH 1 2 3 9 10", "{tag} OK done")
    session, _ = scripted_session(scripted, *select, *search, expect(r"\w+ LOGOUT"))
    state, uids = session.select_and_search("INBOX")
    assert (state.messages, uids) == (5, {1, 2, 3, 9, 10})
    session.close()


def state_of(name: str, messages: int) -> str:
    return f"* STATUS {name} (MESSAGES {messages} UIDNEXT 10 UIDVALIDITY 14)"


FIRST, SECOND, THIRD = "{tag-2} OK done", "{tag-1} OK done", "{tag} OK done"


@pytest.mark.parametrize(
    "lines",
    [
        [state_of("Failed", 2), state_of('"Junk Email"', 1), state_of("inbox", 3), FIRST, THIRD, SECOND],
        [state_of('"inbox"', 3), THIRD, state_of('"Junk Email"', 1), FIRST, state_of("Failed", 2), SECOND],
        [state_of("junk", 1), FIRST, state_of("failed", 2), SECOND, state_of("{5}\r\nINBOX", 3), THIRD],
    ],
)
def test_each_state_is_its_folders_in_whatever_order_the_server_answers(scripted: Scripted, lines: list[str]) -> None:
    """RFC 3501, 5.5: none of these commands changes what another one means."""
    asked = [expect(r"\w+ STATUS .*"), expect(r"\w+ STATUS .*"), expect(r"\w+ STATUS .*")]
    session, _ = scripted_session(scripted, *asked, *map(send, lines), expect(r"\w+ LOGOUT"))
    _, states = session.glance(["Junk Email", "Failed", "INBOX"], noop=False)
    assert {name: state.messages for name, state in states.items()} == {"Junk Email": 1, "Failed": 2, "INBOX": 3}
    session.close()


def test_a_state_that_came_with_a_refusal_is_not_taken_for_a_later_one(scripted: Scripted) -> None:
    steps: list[Step] = [
        *answer(r"\w+ STATUS .*", state_of("Failed", 1), "{tag} NO [INUSE] not now"),
        *[expect(r"\w+ NOOP"), expect(r"\w+ STATUS .*")],
        *[send(SECOND), send(state_of("Failed", 2)), send(THIRD)],
    ]
    session, _ = scripted_session(scripted, *steps, expect(r"\w+ LOGOUT"))
    with pytest.raises(FolderBusy):
        session.status("Failed")
    assert session.glance(["Failed"], noop=True)[1]["Failed"].messages == 2
    session.close()


# -- the end


def test_nobody_waits_for_the_answer_to_logout(scripted: Scripted) -> None:
    session, server = scripted_session(scripted, expect(r"\w+ LOGOUT"), hang())
    session.close()  # the script would hold it for longer than a test may take
    eventually(lambda: server.commands[-1].endswith("LOGOUT"))


def test_logout_reaches_a_server_that_has_something_to_say_meanwhile(
    session: Session, proxy: Proxy, dovecot: Mailbox
) -> None:
    session.select_and_search("INBOX")
    proxy.inject("* 4 EXISTS", "* OK still here")
    session.close()
    eventually(lambda: "LOGOUT" in proxy.commands)
    eventually(lambda: f"user=<{dovecot.address}>" in dovecot.server.log and "Logged out" in dovecot.server.log)


# -- the whole of a first run


def test_a_first_run_waits_for_fifteen_round_trips_at_most(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker(proxy)
    proxy.latency = FAR
    assert worker.once() == 0
    assert len(worker.handed()) == 3
    eventually(lambda: proxy.commands[-1] == "LOGOUT")
    waits = BEFORE_COMMANDS + proxy.traffic.round_trips - 1  # nobody waits for the answer to LOGOUT
    assert waits <= MOST_ALONE, proxy.commands
