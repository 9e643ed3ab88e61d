"""A flag that somebody else changes while the worker fetches counts for the message that it was changed on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.integration.test_session import CAPABILITIES, DATE, SELECT, at_work, literal
from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.proxy import Call, Proxy
from tests.rig.scripted import ScriptedServer, Step, answer, greeting
from tests.rig.tls import Authority
from tests.rig.worker import Worker
from worker.mailbox.session import Endpoint, Session

MakeWorker = Callable[..., Worker]
GONE, KEPT = 3, 12
"""The mailbox's first messages are removed, so that the number of a message is the UID of another."""


def told(number: int, uid: int, flags: str) -> str:
    header = f"Subject: {uid}\r\n\r\n"
    return f"* {number} FETCH (UID {uid} RFC822.SIZE 100 {DATE} FLAGS ({flags}) BODY[HEADER]<0> {literal(header)})"


def test_a_flag_of_another_message_is_not_taken_for_this_ones(scripted: Callable[..., ScriptedServer]) -> None:
    session = at_work(
        scripted,
        *answer(
            r"\w+ UID FETCH 5,6 .*",
            told(2, 5, "$Junk"),
            told(3, 6, ""),
            "* 5 FETCH (FLAGS (\\Seen))",
            "* 3 FETCH (UID 6 FLAGS ($Junk))",
            "{tag} OK done",
        ),
    )
    assert {head.uid: head.keywords for head in session.heads([5, 6])} == {5: {"$Junk"}, 6: {"$Junk"}}
    session.close()


def test_a_message_that_comes_in_several_answers_is_one(scripted: Callable[..., ScriptedServer]) -> None:
    session = at_work(
        scripted,
        *answer(
            r"\w+ UID FETCH 5,6 .*",
            "* 2 FETCH (UID 5 RFC822.SIZE 100)",
            told(3, 6, "$Junk"),
            f"* 2 FETCH (BODY[HEADER]<0> {literal('Subject: 5' + chr(13) + chr(10))} UID 5)",
            "* 1 EXPUNGE",
            "* 5 FETCH (FLAGS (\\Deleted))",
            f"* 1 FETCH (FLAGS ($Junk) UID 5 {DATE})",
            "{tag} OK done",
        ),
        *answer(r"\w+ UID FETCH 5,6 .*", "* 5 FETCH (BODY[]<0> {5}\r\nwrong)", "* 6 FETCH (UID 6)", "{tag} OK done"),
        *answer(r"\w+ UID FETCH 1:\* .*", f"* 7 FETCH ({DATE})", f"* 1 FETCH (UID 5 {DATE})", "{tag} OK done"),
    )
    heads = list(session.heads([5, 6]))
    assert [(head.uid, head.size, head.keywords) for head in heads] == [
        (5, 100, frozenset({"$Junk"})),
        (6, 100, frozenset({"$Junk"})),
    ]
    assert list(session.bodies([5, 6], cap=100, expected=100)) == []
    assert session.fetch_uids() == {5}
    session.close()


def test_what_a_refused_fetch_had_told_does_not_count_for_the_next(scripted: Callable[..., ScriptedServer]) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID FETCH 5 .*", told(2, 5, "$Junk"), "{tag} NO [EXPUNGEISSUED] some are gone"),
        *answer(r"\w+ NOOP", "* 2 EXPUNGE", "{tag} OK done"),
        *answer(r"\w+ UID FETCH 5 .*", "{tag} OK done"),
    )
    assert list(session.heads([5])) == []
    session.close()


# -- generated: what others do comes at any point between the answers


UNASKED = ["* {n} FETCH (FLAGS (\\Seen))", "* {n} FETCH (FLAGS ())", "* {n} FETCH (FLAGS ($Junk) MODSEQ (7))"]
CHATTER = ["* 9 EXISTS", "* 2 EXPUNGE", "* OK Still here", "* FLAGS (\\Seen $Junk)", "* 0 RECENT"]
unasked = st.sampled_from([*UNASKED, *CHATTER])


@st.composite
def rounds(draw: st.DrawFn) -> tuple[list[int], list[str], dict[int, set[str]]]:
    """The UIDs that are asked for, the lines that the server sends, and the keywords that each message then has."""
    uids = sorted(draw(st.sets(st.integers(2, 9), min_size=1, max_size=5)))
    keywords = {uid: draw(st.sampled_from([set(), {"$Junk"}, {"$Junk", "\\Seen"}])) for uid in uids}
    between = st.lists(st.builds(lambda line, n: line.format(n=n), unasked, st.integers(1, 9)), max_size=3)
    lines = draw(between)
    for number, uid in enumerate(draw(st.permutations(uids)), 1):
        lines += [told(number, uid, " ".join(sorted(keywords[uid]))), *draw(between)]
    return uids, lines, keywords


@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes, and the unit test does it
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(rounds(), min_size=15, max_size=25))
def test_each_message_keeps_its_keywords_on_the_wire(
    authority: Authority, drawn: list[tuple[list[int], list[str], dict[int, set[str]]]]
) -> None:
    """Each connection carries some tens of rounds."""
    steps: list[Step] = [
        *greeting(CAPABILITIES),
        *answer(r"\w+ LOGIN .*", "{tag} OK done"),
        *SELECT,
        *(step for _, lines, _ in drawn for step in answer(r"\w+ UID FETCH .*", *lines, "{tag} OK done")),
    ]
    with ScriptedServer(authority, steps) as server:
        session = Session(Endpoint(server.host, server.port, ca_file=Path(server.ca_file)))
        session.connect()
        with closing(session):
            session.login("pathology.results@nhs.net", "Bright-Harbour-92")
            session.select("INBOX")
            for uids, _, keywords in drawn:
                assert {head.uid: set(head.keywords) for head in session.heads(uids)} == keywords


# -- a real Dovecot


@pytest.fixture
def shifted(dovecot: Mailbox) -> Mailbox:
    """A mailbox in which the message with UID 5 is number 2, and number 5 is the message with UID 8."""
    dovecot.append_many("INBOX", letters(KEPT))
    with dovecot.client() as person:
        person.select_folder("INBOX")
        person.delete_messages(list(range(1, GONE + 1)), silent=True)
        person.expunge()
        person.add_flags([GONE + 2], ["$Junk"], silent=True)
    return dovecot


@contextmanager
def opened(mailbox: Mailbox) -> Iterator[Session]:
    session = Session(Endpoint(mailbox.host, mailbox.port, ca_file=mailbox.ca_file))
    session.connect()
    with closing(session):
        session.login(mailbox.address, mailbox.password)
        yield session


def test_dovecot_tells_of_a_flag_that_somebody_changes_while_we_fetch(shifted: Mailbox) -> None:
    with opened(shifted) as session, shifted.client() as person:
        person.select_folder("INBOX")
        session.select("INBOX")
        person.add_flags([5 + GONE], ["\\Seen"], silent=True)
        keywords = {head.uid: set(head.keywords) for head in session.heads([5])}
    assert keywords == {5: {"$Junk"}}


def test_two_clients_change_flags_while_we_fetch(shifted: Mailbox) -> None:
    done = threading.Event()
    uids = list(range(GONE + 1, KEPT + 1))

    def change(flag: str) -> None:
        with shifted.client() as person:
            person.select_folder("INBOX")
            while not done.is_set():
                for uid in uids:
                    person.add_flags([uid], [flag], silent=True)
                    person.remove_flags([uid], [flag], silent=True)

    clients = [threading.Thread(target=change, args=(flag,), name=flag) for flag in ("\\Seen", "\\Flagged")]
    for client in clients:
        client.start()
    try:
        with opened(shifted) as session:
            session.select("INBOX")
            for _ in range(60):
                junk = {head.uid for head in session.heads(uids) if "$Junk" in head.keywords}
                assert junk == {5}
                bodies = {body.uid for body in session.bodies(uids, cap=10_000, expected=KEPT * 1000)}
                assert bodies == set(uids)
    finally:
        done.set()
        for client in clients:
            client.join(30)


def test_mail_marked_as_junk_never_reaches_a_clean_handler_whatever_others_mark_meanwhile(
    authority: Authority, shifted: Mailbox, make_worker: MakeWorker
) -> None:
    with shifted.client() as person, Proxy(authority, (shifted.host, shifted.port)) as proxy:
        person.select_folder("INBOX")

        def mark() -> None:
            person.add_flags([5 + GONE], ["\\Seen"], silent=True)

        proxy.on(r"UID FETCH .*HEADER", Call(mark), when="before", times=1)
        worker: Any = make_worker(proxy, mailbox=shifted, settings={"junk": {"handlers": ["ledger"]}})
        assert worker.once() == 0
    assert sorted(call.path for call in worker.handed()) == ["clean"] * (KEPT - GONE - 1) + ["junk"]
