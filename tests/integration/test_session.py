"""What the session makes of a server's oddities, each said by a script over a real socket."""

import select
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.rig.scripted import ScriptedServer, Step, answer, close, expect, greeting, send
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    FolderRefused,
    MailboxError,
    ProtocolFault,
    Throttled,
    TokenExpired,
)
from worker.mailbox.imap_connection import SMALL_ANSWER
from worker.mailbox.message_reader import HEADER_CAP, LARGEST, SHORT_HEADER
from worker.mailbox.session import Endpoint, FolderState, Moved, Session
from worker.mailbox.wire import LINE_CAP

Scripted = Callable[..., ScriptedServer]
CAPABILITIES = "IMAP4rev1 MOVE UIDPLUS IDLE"
SELECT = answer(
    r"\w+ SELECT .*",
    "* 3 EXISTS",
    "* 0 RECENT",
    "* OK [UIDVALIDITY 14] valid",
    "* OK [UIDNEXT 10] next",
    "{tag} OK [READ-WRITE] done",
)
DATE = 'INTERNALDATE "01-Jan-2024 10:00:00 +0000"'


def at_work(scripted: Scripted, *steps: Step, read: float = 5.0, capabilities: str = "") -> Session:
    """Logged in, INBOX selected. capabilities: more of them than usual."""
    asked = answer(r"\w+ CAPABILITY", f"* CAPABILITY {CAPABILITIES} {capabilities}".rstrip(), "{tag} OK done")
    start = [*greeting(CAPABILITIES), *answer(r"\w+ LOGIN .*", "{tag} OK done"), *asked, *SELECT]
    server = scripted([*start, *steps])
    session = Session(
        Endpoint(server.host, server.port, ca_file=Path(server.ca_file), connect_timeout=5.0, read_timeout=read)
    )
    session.connect()
    session.login("pathology.results@nhs.net", "Bright-Harbour-92")
    assert session.has("MOVE")
    assert session.select("INBOX") == FolderState(14, 10, 3)
    return session


def literal(text: str) -> str:
    return f"{{{len(text)}}}\r\n{text}"


# -- COPYUID


@pytest.mark.parametrize(
    ("lines", "moved"),
    [
        (["* OK [COPYUID 20 1:2 7:8] moved", "{tag} OK done"], Moved(20, {1: 7, 2: 8})),
        (["{tag} OK [COPYUID 20 1,2 8,7] done"], Moved(20, {1: 8, 2: 7})),
        (["{tag} OK [COPYUID 20 2:1 7:8] done"], Moved(20, {2: 7, 1: 8})),
        (["{tag} OK done"], Moved(None, {})),
        (["{tag} OK [COPYUID] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 20 1:2] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 20  1:2 7:8] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 20 1:2 7:9] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 20 1: 7] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 20 1:4294967295 1:4294967295] done"], Moved(None, {})),
        (["{tag} OK [COPYUID x y z] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 20 1:2 0:1] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 20 1:2 0,0] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 20 1:2 4294967295:4294967296] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 0 1:2 7:8] done"], Moved(None, {})),
        (["{tag} OK [COPYUID 99999999999999999999 1:2 7:8] done"], Moved(None, {})),
    ],
)
def test_copyuid_in_every_form(scripted: Scripted, lines: list[str], moved: Moved) -> None:
    session = at_work(scripted, *answer(r'\w+ UID MOVE 1:2 "?Processed"?', "* 1 EXPUNGE", "* 1 EXPUNGE", *lines))
    assert session.move([2, 1], "Processed") == moved
    session.close()


def test_a_copyuid_of_an_earlier_command_is_not_taken_for_this_ones(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ NOOP", "* OK [COPYUID 99 1 55] late", "{tag} OK done"),
        *answer(r"\w+ UID MOVE .*", "{tag} OK done"),
    )
    session.noop()
    assert session.move([1], "Processed") == Moved(None, {})
    session.close()


def test_our_own_moves_are_no_news_and_others_are(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID MOVE .*", "* 1 EXPUNGE", "* 5 EXISTS", "{tag} OK done"),
        *answer(r"\w+ NOOP", "{tag} OK done"),
        *answer(r"\w+ NOOP", "* 2 FETCH (FLAGS (\\Seen))", "{tag} OK done"),
        *answer(r"\w+ NOOP", "* 1 EXPUNGE", "{tag} OK done"),
    )
    session.move([1], "Processed")
    assert [session.noop(), session.noop(), session.noop()] == [True, False, True]
    session.close()


def deleting(which: str, *gone: str) -> list[Step]:
    """The two commands that remove messages. gone: what the server says is expunged."""
    return [
        *answer(rf"\w+ UID STORE {which} \+FLAGS.SILENT .*Deleted.*", "{tag} OK done"),
        *answer(rf"\w+ UID EXPUNGE {which}", *gone, "{tag} OK done"),
    ]


def test_what_an_expunge_leaves_is_removed_once_more(scripted: Scripted) -> None:
    """Courier does, where somebody else's flags overwrite ours."""
    session = at_work(
        scripted,
        *deleting("1:3", "* 1 EXPUNGE"),
        *answer(r"\w+ UID SEARCH UID 1:3", "* SEARCH 2 3 9", "{tag} OK done"),
        *deleting("2:3", "* 1 EXPUNGE", "* 1 EXPUNGE"),
        *answer(r"\w+ NOOP", "{tag} OK done"),
    )
    session.delete([1, 2, 3])
    assert not session.noop(), "these are no news"
    session.close()


def test_what_somebody_else_has_removed_isnt_removed_again(scripted: Scripted) -> None:
    gone = answer(r"\w+ UID SEARCH UID 1", "* SEARCH", "{tag} OK done")
    session = at_work(scripted, *deleting("1"), *gone)
    session.delete([1])
    session.close()


def test_what_can_never_be_removed_is_left_alone_in_the_end(scripted: Scripted) -> None:
    stays = [*deleting("1"), *answer(r"\w+ UID SEARCH UID 1", "* SEARCH 1", "{tag} OK done")]
    session = at_work(scripted, *(stays * 5), *answer(r"\w+ NOOP", "{tag} OK done"))
    session.delete([1])
    session.noop()
    session.close()


def test_a_folder_that_the_server_refuses_to_open_is_named_and_the_connection_stays(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ SELECT .*", "{tag} NO [NOPERM] not yours"),
        *answer(r"\w+ STATUS .*", "{tag} NO [NOPERM] not yours"),
    )
    for open_it in (session.select, session.status):
        with pytest.raises(FolderRefused, match="'Results'"):
            open_it("Results")
    assert session.is_open
    session.close()


def test_a_target_that_is_missing_refuses_and_the_connection_stays(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID MOVE .*", "{tag} NO [TRYCREATE] no such folder"),
        *answer(r"\w+ NOOP", "{tag} OK done"),
    )
    with pytest.raises(CommandRefused):
        session.move([1], "Processed")
    assert session.is_open
    session.noop()
    session.close()


# -- SEARCH


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["* SEARCH 1 2 9"], {1, 2, 9}),
        (["* SEARCH"], set()),
        (["* SEARCH "], set()),
        ([], set()),
        (["* 4 EXISTS", "* SEARCH 3"], {3}),
    ],
)
def test_search(scripted: Scripted, lines: list[str], found: set[int]) -> None:
    session = at_work(scripted, *answer(r"\w+ UID SEARCH UID 1:\*", *lines, "{tag} OK done"))
    assert session.search(uidnext=10) == found
    session.close()


def test_what_came_with_a_refused_search_is_not_taken_for_the_next_ones(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID SEARCH UID 3:4", "* SEARCH 3", "{tag} NO not now"),
        *answer(r"\w+ UID SEARCH UID 3:4", "* SEARCH 4", "{tag} OK done"),
        *answer(r"\w+ UID FETCH 3 .*", "{tag} OK done"),
    )
    with pytest.raises(CommandRefused):
        session.present([3, 4])
    assert session.present([3, 4]) == {4}
    session.close()


def test_what_came_with_a_refused_fetch_shows_no_message(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID FETCH 1:\* .*", f"* 1 FETCH (UID 3 {DATE})", "{tag} NO not now"),
        *answer(r"\w+ UID SEARCH UID 3", "* SEARCH", "{tag} OK done"),
        *answer(r"\w+ UID FETCH 3 .*", "{tag} OK done"),
    )
    with pytest.raises(CommandRefused):
        session.fetch_uids()
    assert session.present([3]) == set()
    session.close()


def test_search_by_date_and_in_windows(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID SEARCH UID 1:100000 SINCE 02-Jan-2024", "* SEARCH 5", "{tag} OK done"),
        *answer(r"\w+ UID SEARCH UID 100001:\* SINCE 02-Jan-2024", "* SEARCH 5", "{tag} OK done"),
    )
    assert session.search(uidnext=100_005, since=date(2024, 1, 2)) == {5}
    session.close()


def test_what_search_misses_fetch_shows(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(
            r"\w+ UID FETCH 1:\* \(?INTERNALDATE\)?",
            f"* 1 FETCH (UID 4 {DATE})",
            f"* 2 FETCH ({DATE} UID 7)",
            "* 3 FETCH (FLAGS (\\Seen))",
            "{tag} OK done",
        ),
        *answer(r"\w+ UID SEARCH UID 4,7:8", "* SEARCH 4", "{tag} OK done"),
        *answer(r"\w+ UID FETCH 7,8 \(?INTERNALDATE\)?", f"* 2 FETCH ({DATE} UID 7)", "{tag} OK done"),
    )
    assert session.fetch_uids() == {4, 7}
    assert session.present([4, 7, 8]) == {4, 7}
    session.close()


# -- FETCH


HEADER = "Subject: a\r\n\r\n"


@pytest.mark.parametrize(
    "day", ["31-Dec-9999 23:59:59 -1400", "01-Jan-1601 00:00:00 +0000", "32-Jan-2024 00:00:00 +0000"]
)
def test_a_date_or_size_that_nothing_else_can_hold_is_brought_within_bounds(scripted: Scripted, day: str) -> None:
    items = f'UID 4 RFC822.SIZE {10**25} INTERNALDATE "{day}" FLAGS () BODY[HEADER]<0> {literal(HEADER)}'
    session = at_work(scripted, expect(r"\w+ UID FETCH 4 .*"), send(f"* 2 FETCH ({items})"), send("{tag} OK done"))
    (head,) = session.heads([4])
    assert head.size == LARGEST
    for zone in (timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))):
        assert datetime.fromtimestamp(head.received_at, zone).year in (1969, 1970, 9999)
    session.close()


@pytest.mark.parametrize(
    "items",
    [
        f"UID 4 RFC822.SIZE 100 {DATE} FLAGS ($Junk) BODY[HEADER]<0> {literal(HEADER)}",
        f"BODY[HEADER]<0> {literal(HEADER)} FLAGS ($Junk) {DATE} RFC822.SIZE 100 UID 4",
        f"RFC822.SIZE 100 BODY[HEADER]<0> {literal(HEADER)} UID 4 FLAGS ($Junk) {DATE}",
    ],
)
def test_items_come_in_any_order(scripted: Scripted, items: str) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4 .*"),
        send(f"* 2 FETCH ({items})"),
        send("{tag} OK done"),
    )
    (head,) = session.heads([4])
    assert (head.uid, head.size, head.header) == (4, 100, HEADER.encode())
    assert head.keywords == {"$Junk"}
    assert head.received_at == 1_704_103_200.0
    session.close()


def head_of(uid: int, header: str) -> str:
    return f"* {uid} FETCH (UID {uid} RFC822.SIZE 100 {DATE} FLAGS () BODY[HEADER]<0> {literal(header)})"


def test_a_long_header_is_fetched_by_itself_and_none_is_longer_than_is_read(scripted: Scripted) -> None:
    short, long = (f"X: {'x' * (size - 7)}\r\n\r\n" for size in (SHORT_HEADER, HEADER_CAP))
    session = at_work(
        scripted,
        *answer(
            rf"\w+ UID FETCH 4,5,6 .*<0\.{SHORT_HEADER + 1}>.*",
            head_of(4, short),
            head_of(5, long[: SHORT_HEADER + 1]),
            head_of(6, HEADER),
            "{tag} OK done",
        ),
        *answer(rf"\w+ UID FETCH 5 .*<0\.{HEADER_CAP}>.*", head_of(5, long), "{tag} OK done"),
    )
    heads = session.heads([6, 5, 4])
    assert [(head.uid, len(head.header)) for head in heads] == [(4, SHORT_HEADER), (5, HEADER_CAP), (6, len(HEADER))]
    session.close()


def test_a_long_header_whose_message_goes_meanwhile_is_left_out(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID FETCH 4,5 .*", head_of(4, "x" * (SHORT_HEADER + 1)), head_of(5, HEADER), "{tag} OK done"),
        *answer(r"\w+ UID FETCH 4 .*", "{tag} OK done"),
    )
    assert [head.uid for head in session.heads([4, 5])] == [5]
    session.close()


@pytest.mark.parametrize(
    "items",
    [
        f"UID 4 RFC822.SIZE 100 {DATE} FLAGS () BODY[HEADER]<0> NIL",
        f'UID 4 RFC822.SIZE 100 {DATE} FLAGS () BODY[HEADER]<0> ""',
        f"UID 4 RFC822.SIZE 100 {DATE} FLAGS ()",
        "UID 4 FLAGS (\\Seen)",
    ],
)
def test_what_has_no_header_yet_is_left_out(scripted: Scripted, items: str) -> None:
    session = at_work(scripted, *answer(r"\w+ UID FETCH 4 .*", f"* 2 FETCH ({items})", "{tag} OK done"))
    assert list(session.heads([4])) == []
    session.close()


def test_ok_without_data_is_nothing(scripted: Scripted) -> None:
    session = at_work(scripted, *answer(r"\w+ UID FETCH 4 .*", "{tag} OK done"))
    assert list(session.bodies([4], cap=100, expected=10)) == []
    session.close()


def test_bodies_whole_empty_cut_and_unasked_for(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4,5,6 \(?BODY\.PEEK\[\]<0\.11>\)?"),
        send(f"* 9 FETCH (UID 9 BODY[]<0> {literal('unasked')})"),
        send(f"* 1 FETCH (BODY[]<0> {literal('x' * 11)} UID 4)"),
        send('* 2 FETCH (UID 5 BODY[]<0> "")'),
        send(f"* 3 FETCH (UID 6 BODY[]<0> {literal('whole')} FLAGS (\\Seen))"),
        send("{tag} OK done"),
    )
    bodies = list(session.bodies([4, 5, 6], cap=10, expected=20))
    assert [(body.uid, body.raw, body.complete) for body in bodies] == [(4, b"x" * 10, False), (6, b"whole", True)]
    session.close()


def test_messages_expunged_at_this_moment_do_not_stop_the_rest(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID FETCH 4,5 .*", "{tag} NO [EXPUNGEISSUED] some are gone"),
        *answer(r"\w+ NOOP", "* 1 EXPUNGE", "{tag} OK done"),
        *answer(r"\w+ UID FETCH 4,5 .*", f"* 1 FETCH (UID 5 BODY[]<0> {literal('five')})", "{tag} OK done"),
        *answer(r"\w+ NOOP", "{tag} OK done"),
    )
    assert [body.uid for body in session.bodies([4, 5], cap=100, expected=10)] == [5]
    assert session.noop()
    session.close()


# -- the end of the connection, and answers that would fill the memory


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([send("* BYE Connection is closed. 13"), close()], ConnectionLost),
        ([close()], ConnectionLost),
        ([close(reset=True)], ConnectionLost),
        ([send(b"* 1 FETCH (UID 4 BODY[]<0> {100}\r\nonly this"), close()], ConnectionLost),
        ([send(b"* 1 FETCH (UID 4 BO"), close()], ConnectionLost),
        ([send(b"* 1 FETCH (UID 4 BODY[]<0> {99999999999}\r\n")], ConnectionLost),
        ([send(b"* 1 FETCH (UID 4 BODY[]<0> {%d}\r\n" % (SMALL_ANSWER * 2))], ConnectionLost),
        ([send(b"* 1 FETCH (UID 4 BODY[]<0> ((((\r\n"), send("{tag} OK done")], ProtocolFault),
        ([send(b"* 1 FETCH (UID four)\r\n"), send("{tag} OK done")], ProtocolFault),
        ([send("{tag} BAD Command Argument Error. 12")], ProtocolFault),
        ([send("{tag} NO Request is throttled. Suggested Backoff Time: 1000 milliseconds")], Throttled),
    ],
)
def test_a_fetch_that_ends_badly(scripted: Scripted, steps: list[Step], error: type[MailboxError]) -> None:
    session = at_work(scripted, expect(r"\w+ UID FETCH 4 .*"), *steps)
    with pytest.raises(error):
        list(session.bodies([4], cap=1000, expected=10))
    assert not session.is_open
    with pytest.raises(ConnectionLost):
        session.noop()
    session.close()


def test_a_line_without_an_end_is_cut_off(scripted: Scripted) -> None:
    session = at_work(scripted, expect(r"\w+ UID SEARCH .*"), send(b"* SEARCH " + b"1 " * (LINE_CAP // 2)))
    with pytest.raises(ConnectionLost):
        session.search(uidnext=10)
    assert not session.is_open


def test_a_server_that_says_nothing_is_given_up(scripted: Scripted) -> None:
    session = at_work(scripted, expect(r"\w+ NOOP"), read=1.0)  # the login has no longer, either
    with pytest.raises(ConnectionLost):
        session.noop()
    assert not session.is_open


# -- IDLE


def test_idle_with_nothing_to_tell(scripted: Scripted) -> None:
    session = at_work(scripted, *answer(r"\w+ IDLE", "+ idling"), *answer("DONE", "{tag} OK done"))
    assert not session.idle()
    assert session.idling
    assert not session.idle_done()
    assert not session.idling
    session.close()


@pytest.mark.parametrize("told", [["* 4 EXISTS", "+ idling"], ["* OK still here", "* 4 EXISTS", "+ idling"]])
def test_news_before_idle_begins_is_told_by_idle_and_again_when_it_ends(scripted: Scripted, told: list[str]) -> None:
    session = at_work(scripted, *answer(r"\w+ IDLE", *told), *answer("DONE", "{tag} OK done"))
    assert session.idle()
    assert session.idle_done()
    session.close()


def test_news_in_the_same_packet_as_the_plus(scripted: Scripted) -> None:
    session = at_work(
        scripted, expect(r"\w+ IDLE"), send(b"+ idling\r\n* 4 EXISTS\r\n"), *answer("DONE", "{tag} OK done")
    )
    assert session.idle()
    assert session.idle_done()
    session.close()


def test_news_during_idle_and_after_done(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ IDLE", "+ idling", "* OK Still here"),
        *answer("DONE", "* 4 EXISTS", "{tag} OK done"),
        *answer(r"\w+ NOOP", "{tag} OK done"),
    )
    session.idle()
    assert session.idle_done()
    assert not session.noop()
    session.close()


def test_a_goodbye_during_idle(scripted: Scripted) -> None:
    session = at_work(scripted, *answer(r"\w+ IDLE", "+ idling", "* BYE Connection is closed. 13"), close())
    with pytest.raises(ConnectionLost):
        [session.idle(), session.idle_done()]
    assert not session.is_open


EXPIRED: list[Step] = [send("* BYE Session invalidated - AccessTokenExpired"), close(reset=True)]


def wait_until_reset(session: Session) -> None:
    reset = select.poll()
    reset.register(session.fileno(), 0)  # wakes for a connection that is gone, and for nothing else
    assert reset.poll(5000)


def test_why_the_connection_ended_in_idle_is_heard_even_if_idle_cannot_be_ended(scripted: Scripted) -> None:
    session = at_work(scripted, *answer(r"\w+ IDLE", "+ idling"), *EXPIRED)
    session.idle()
    wait_until_reset(session)
    with pytest.raises(TokenExpired):
        session.idle_done()


def test_why_the_connection_ended_is_heard_even_if_a_search_cannot_be_sent(scripted: Scripted) -> None:
    """IMAPClient sends it past imaplib."""
    session = at_work(scripted, *EXPIRED)
    wait_until_reset(session)
    with pytest.raises(TokenExpired):
        session.present([4])


def test_why_the_connection_ended_is_heard_even_if_idle_never_began(scripted: Scripted) -> None:
    session = at_work(scripted, expect(r"\w+ IDLE"), *EXPIRED)
    with pytest.raises(TokenExpired):
        session.idle()
