"""Commands in flight: what is asked for ahead, and whose answer is whose."""

import pytest

from tests.integration.test_session import DATE, SELECT, Scripted, at_work, literal, wait_until_reset
from tests.rig.scripted import Step, answer, close, expect, send
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    MailboxError,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
    TokenExpired,
)
from worker.mailbox.session import Moved, Session

DONE = "{tag} OK done"


def body(uid: int, text: str) -> str:
    return f"* {uid} FETCH (UID {uid} BODY[]<0> {literal(text)})"


def head(uid: int) -> str:
    return f"* {uid} FETCH (UID {uid} RFC822.SIZE 90 {DATE} FLAGS () BODY[HEADER]<0> {literal(f'Subject: {uid}')})"


def ask(session: Session, *uids: int) -> None:
    session.ask_bodies(uids, cap=100, expected=10)


def read(session: Session, *uids: int) -> dict[int, bytes]:
    return {one.uid: one.raw for one in session.bodies(uids, cap=100, expected=10)}


def test_what_was_asked_for_is_read_in_the_order_of_the_commands(scripted: Scripted) -> None:
    """The server has all four commands before it answers the first."""
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4,5 .*"),
        expect(r"\w+ UID FETCH 7 .*HEADER.*"),
        expect(r"\w+ UID FETCH 6 .*"),
        expect(r'\w+ UID MOVE 1:2 "?Processed"?'),
        *[send(body(4, "four")), send(body(5, "five")), send("{tag-3} OK done")],
        *[send(head(7)), send("{tag-2} OK done"), send(body(6, "six")), send("{tag-1} OK done")],
        *[send("* OK [COPYUID 20 1:2 8:9] moved"), send("* 1 EXPUNGE"), send("* 1 EXPUNGE"), send(DONE)],
        *answer(r"\w+ NOOP", DONE),
    )
    ask(session, 4, 5)
    session.ask_heads([7])
    ask(session, 6)
    sent = session.begin_move([1, 2], "Processed")
    assert not session.has_moved(sent)
    assert read(session, 4, 5) == {4: b"four", 5: b"five"}
    assert read(session, 6) == {6: b"six"}
    assert [one.header for one in session.heads([7])] == [b"Subject: 7"]
    assert session.end_move(sent) == Moved(20, {1: 8, 2: 9})
    assert not session.noop()  # our own moves are no news
    session.close()


def test_where_messages_went_may_be_said_before_an_earlier_move_is_answered(scripted: Scripted) -> None:
    """Dovecot does so."""
    session = at_work(
        scripted,
        expect(r"\w+ UID MOVE 1 .*"),
        expect(r"\w+ UID MOVE 2:3 .*"),
        *[send("* OK [COPYUID 20 1 8] moved"), send("* OK [COPYUID 21 2:3 5:6] moved"), send("* 1 EXPUNGE")],
        *[send("{tag-1} OK done"), send("* 1 EXPUNGE"), send("{tag} OK done")],
    )
    first, second = session.begin_move([1], "Processed"), session.begin_move([2, 3], "Failed")
    assert session.end_move(first) == Moved(20, {1: 8})
    assert session.end_move(second) == Moved(21, {2: 5, 3: 6})
    session.close()


def test_each_message_is_given_as_it_comes(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4,5 .*"),
        send(body(5, "five")),
        expect(r"\w+ UID FETCH 6 .*"),
        *[send(body(4, "four")), send("{tag-1} OK done"), send(body(6, "six")), send(DONE)],
    )
    ask(session, 4, 5)
    bodies = iter(session.bodies([4, 5], cap=100, expected=10))
    assert next(bodies).uid == 5
    ask(session, 6)  # the server waits for this command before it sends the rest
    assert [one.uid for one in bodies] == [4]
    assert read(session, 6) == {6: b"six"}
    session.close()


def test_what_has_come_whole_is_not_waited_for_if_others_were_sent_since(scripted: Scripted) -> None:
    """Dovecot answers a FETCH that it has done only after those that it was sent meanwhile."""
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 7,8 .*HEADER.*"),
        expect(r"\w+ UID FETCH 4,5 .*"),
        *[send(head(7)), send(head(8)), send(body(4, "four"))],
        expect(r"\w+ UID FETCH 9 .*HEADER.*"),
        send(body(5, "five")),
        expect(r'\w+ UID MOVE 4:5 "?Processed"?'),
        *[send(head(9)), send("{tag-3} OK done"), send("{tag-1} OK done"), send("{tag-2} OK done")],
        *[send("* OK [COPYUID 20 4:5 8:9] moved"), send(DONE)],
        *answer(r"\w+ LOGOUT", "* BYE", DONE),
    )
    session.ask_heads([7, 8])
    ask(session, 4, 5)
    assert [one.uid for one in session.heads([7, 8])] == [7, 8]
    bodies = iter(session.bodies([4, 5], cap=100, expected=10))
    assert next(bodies).raw == b"four"
    session.ask_heads([9])
    assert [one.raw for one in bodies] == [b"five"]
    moved = session.begin_move([4, 5], "Processed")
    assert [one.uid for one in session.heads([9])] == [9]
    assert session.end_move(moved) == Moved(20, {4: 8, 5: 9})
    session.close()


def test_what_has_come_in_part_is_waited_for(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 7,8 .*HEADER.*"),
        expect(r"\w+ UID FETCH 4 .*"),
        *[send(head(8)), send(f"* 7 FETCH (UID 7 RFC822.SIZE 90 {DATE} BODY[HEADER]<0> {literal('Subject: 7')})")],
        *[send(body(4, "four")), send("* 7 FETCH (UID 7 FLAGS ($Junk))"), send("{tag-1} OK done"), send(DONE)],
    )
    session.ask_heads([7, 8])
    ask(session, 4)
    assert [(one.uid, set(one.keywords)) for one in session.heads([7, 8])] == [(7, {"$Junk"}), (8, set())]
    assert read(session, 4) == {4: b"four"}
    session.close()


@pytest.mark.parametrize("nothing", ["NIL", '""'])
def test_a_message_that_is_refused_with_an_empty_content_is_refused_also_if_others_were_sent_since(
    scripted: Scripted, nothing: str
) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4 .*"),
        expect(r"\w+ UID FETCH 5 .*"),
        *[send(f"* 4 FETCH (UID 4 BODY[]<0> {nothing})"), send("{tag-1} NO it can't be read"), send(DONE)],
    )
    ask(session, 4)
    ask(session, 5)
    with pytest.raises(CommandRefused):
        read(session, 4)
    session.close()


def test_any_other_command_waits_until_everything_was_answered(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID FETCH 4 .*", body(4, "four"), DONE),
        *answer(r"\w+ NOOP", "* 4 EXISTS", DONE),
    )
    ask(session, 4)
    assert session.noop()
    assert read(session, 4) == {4: b"four"}
    session.close()


def test_a_search_waits_as_well(scripted: Scripted) -> None:
    """IMAPClient sends it past imaplib."""
    session = at_work(
        scripted,
        *answer(r"\w+ UID FETCH 4 .*", body(4, "four"), DONE),
        *answer(r"\w+ UID SEARCH UID 9", "* SEARCH", DONE),
        *answer(r"\w+ UID FETCH 9 .*", DONE),
    )
    ask(session, 4)
    assert session.present([9]) == set()
    assert read(session, 4) == {4: b"four"}
    session.close()


def test_what_was_asked_for_in_another_folder_is_dropped(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID FETCH 4 .*", body(4, "of the other folder"), DONE),
        *SELECT,
        *answer(r"\w+ UID FETCH 4 .*", body(4, "four"), DONE),
    )
    ask(session, 4)
    session.select("Junk Email")
    assert read(session, 4) == {4: b"four"}
    session.close()


def test_what_was_asked_for_with_others_is_not_kept_if_it_is_wanted_alone(scripted: Scripted) -> None:
    """Nobody reads the first answer any more, so it takes no memory, and isn't waiting to be read."""
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4,5 .*"),
        expect(r"\w+ UID FETCH 6 .*"),
        expect(r"\w+ UID FETCH 5 .*"),
        *[send(body(4, "four")), send(body(5, "five")), send("{tag-2} OK done")],
        *[send(body(6, "six")), send("{tag-1} OK done"), send(body(5, "five")), send(DONE)],
        close(),
    )
    ask(session, 4, 5)
    ask(session, 6)
    assert read(session, 5) == {5: b"five"}
    assert read(session, 6) == {6: b"six"}
    with pytest.raises(ConnectionLost):
        session.noop()
    assert not session.ended_ahead
    session.close()


def test_messages_are_thrown_away_as_they_come_and_headers_are_kept(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4 .*"),
        expect(r"\w+ UID FETCH 7 .*HEADER.*"),
        expect(r"\w+ UID FETCH 5 .*"),
        *[send(body(4, "four")), send("{tag-2} OK done"), send(head(7)), send("{tag-1} OK done")],
        *[send(body(5, "five")), send("{tag} NO not now")],
        *answer(r"\w+ UID FETCH 4 .*", body(4, "anew"), DONE),
        close(),
    )
    ask(session, 4)
    session.ask_heads([7])
    ask(session, 5)
    session.discard_bodies()
    assert [one.uid for one in session.heads([7])] == [7]
    assert read(session, 4) == {4: b"anew"}
    with pytest.raises(ConnectionLost):
        session.noop()
    assert not session.ended_ahead
    session.close()


def test_a_connection_that_ends_at_what_is_thrown_away_ended_ahead(scripted: Scripted) -> None:
    session = at_work(
        scripted, expect(r"\w+ UID FETCH 4 .*"), send(b"* 1 FETCH (UID 4 BODY[]<0> {100}\r\nbut"), close()
    )
    ask(session, 4)
    with pytest.raises(ConnectionLost):
        session.discard_bodies()
    assert session.ended_ahead
    session.close()


def test_it_is_asked_for_once(scripted: Scripted) -> None:
    session = at_work(scripted, *answer(r"\w+ UID FETCH 4 .*", body(4, "four"), DONE))
    ask(session, 4)
    ask(session, 4)
    ask(session)
    assert read(session, 4) == {4: b"four"}
    session.close()


def test_a_refusal_is_that_commands_alone(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4 .*"),
        expect(r"\w+ UID MOVE 1 .*"),
        expect(r"\w+ UID FETCH 5 .*"),
        *[send("{tag-2} NO not this one"), send("{tag-1} NO [OVERQUOTA] full"), send(body(5, "five")), send(DONE)],
    )
    ask(session, 4)
    sent = session.begin_move([1], "Processed")
    ask(session, 5)
    with pytest.raises(CommandRefused):
        read(session, 4)
    assert read(session, 5) == {5: b"five"}
    assert session.has_moved(sent)
    with pytest.raises(CommandRefused):
        session.end_move(sent)
    assert session.is_open
    session.close()


def test_after_an_expunge_the_rest_is_asked_for_again(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4,5,6 .*"),
        send(body(4, "four")),
        send("{tag} NO [EXPUNGEISSUED] some are gone"),
        *answer(r"\w+ NOOP", "* 2 EXPUNGE", DONE),
        *answer(r"\w+ UID FETCH 5,6 .*", body(6, "six"), DONE),
    )
    ask(session, 4, 5, 6)
    assert read(session, 4, 5, 6) == {4: b"four", 6: b"six"}
    session.close()


def test_a_flag_that_is_told_of_a_message_is_not_its_content(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4,5,6 .*"),
        *[send("* 2 FETCH (UID 5 FLAGS (\\Seen))"), send(body(4, "four")), send("{tag} NO [EXPUNGEISSUED] gone")],
        *answer(r"\w+ NOOP", "* 3 EXPUNGE", DONE),
        *answer(r"\w+ UID FETCH 5,6 .*", body(5, "five"), DONE),
    )
    ask(session, 4, 5, 6)
    assert read(session, 4, 5, 6) == {4: b"four", 5: b"five"}
    session.close()


@pytest.mark.parametrize(
    ("steps", "earlier"),
    [
        ([close()], True),
        ([send("{tag-1} OK done"), close()], False),
        ([send("{tag-1} OK done"), send(b"* 1 FETCH (UID 5 BODY[]<0> {100}\r\nonly this"), close()], False),
        ([send("* BYE that is all"), close()], True),
    ],
)
def test_whose_command_the_connection_ended_at(scripted: Scripted, steps: list[Step], earlier: bool) -> None:
    session = at_work(scripted, expect(r"\w+ UID FETCH 4 .*HEADER.*"), expect(r"\w+ UID FETCH 5 .*"), *steps)
    session.ask_heads([4])
    ask(session, 5)
    with pytest.raises(ConnectionLost) as lost:
        read(session, 5)
    assert lost.value.earlier is earlier
    assert session.ended_ahead  # nobody has begun to read the header
    session.close()


def test_a_move_that_is_answered_late_does_not_hide_at_which_message_the_connection_ended(scripted: Scripted) -> None:
    """Dovecot answers MOVE only after the FETCH that was sent next."""
    session = at_work(
        scripted,
        expect(r"\w+ UID MOVE 1 .*"),
        expect(r"\w+ UID FETCH 5 .*"),
        send(b"* 1 FETCH (UID 5 BODY[]<0> {100}\r\nonly this"),
        close(),
    )
    session.begin_move([1], "Processed")
    with pytest.raises(ConnectionLost) as lost:
        read(session, 5)
    assert not lost.value.earlier
    session.close()


def test_nor_does_a_header_that_has_come_and_is_not_answered_yet(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4 .*HEADER.*"),
        expect(r"\w+ UID FETCH 5 .*"),
        send(head(4)),
        send(b"* 1 FETCH (UID 5 BODY[]<0> {100}\r\nonly this"),
        close(),
    )
    session.ask_heads([4])
    ask(session, 5)
    assert [one.uid for one in session.heads([4])] == [4]
    with pytest.raises(ConnectionLost) as lost:
        read(session, 5)
    assert not lost.value.earlier
    session.close()


def test_the_connection_did_not_end_at_a_message_that_was_never_asked_for(scripted: Scripted) -> None:
    session = at_work(scripted, expect(r"\w+ UID FETCH 4 .*"), close(reset=True))
    ask(session, 4)
    wait_until_reset(session)
    with pytest.raises(ConnectionLost) as lost:
        read(session, 5)
    assert lost.value.earlier
    assert session.ended_ahead
    session.close()


def test_what_is_told_of_messages_unasked_need_not_be_understood(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ NOOP", "* 3 FETCH (FLAGS (\\Seen)", "* 4 EXISTS", DONE),
        *answer(r"\w+ UID MOVE 1 .*", "* 3 FETCH (FLAGS (\\Seen)", "* 1 EXPUNGE", DONE),
    )
    assert session.noop()
    assert session.move([1], "Processed") == Moved(None, {})
    session.close()


@pytest.mark.parametrize(
    ("said", "error", "ahead"),
    [
        ("* BYE Session invalidated - AccessTokenExpired", TokenExpired, False),
        ("{tag-1} BAD Request is throttled. Suggested Backoff Time: 1500 milliseconds", Throttled, False),
        ("{tag-1} NO Server Unavailable. 15", ServerUnavailable, False),
        ("{tag-1} BAD Command Error. 10", ProtocolFault, True),
    ],
)
def test_a_connection_that_no_message_can_have_ended_did_not_end_ahead(
    scripted: Scripted, said: str, error: type[MailboxError], ahead: bool
) -> None:
    session = at_work(scripted, expect(r"\w+ UID FETCH 4 .*"), expect(r"\w+ UID FETCH 5 .*"), send(said), close())
    ask(session, 4)
    ask(session, 5)
    with pytest.raises(error):
        read(session, 4)
    assert session.ended_ahead is ahead
    session.close()


def test_a_connection_on_which_everything_was_begun_did_not_end_ahead(scripted: Scripted) -> None:
    session = at_work(scripted, expect(r"\w+ UID FETCH 5 .*"), close())
    ask(session, 5)
    with pytest.raises(ConnectionLost):
        read(session, 5)
    assert not session.ended_ahead
    session.close()


def test_a_message_longer_than_all_that_was_asked_for_ends_the_connection(scripted: Scripted) -> None:
    session = at_work(scripted, expect(r"\w+ UID FETCH 5 .*"), send(b"* 1 FETCH (UID 5 BODY[]<0> {99999999}\r\n"))
    ask(session, 5)
    with pytest.raises(MailboxError):
        read(session, 5)
    assert not session.is_open
    session.close()


def test_without_pipelining_each_command_waits_for_the_last_answer(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ UID MOVE 1 .*", "* OK [COPYUID 20 1 8] moved", "* 1 EXPUNGE", DONE),
        *answer(r"\w+ UID FETCH 4 .*", body(4, "four"), DONE),
    )
    session.wait_for_each_answer()
    ask(session, 4)
    session.ask_heads([4])
    sent = session.begin_move([1], "Processed")
    assert session.has_moved(sent)
    assert session.end_move(sent) == Moved(20, {1: 8})
    assert read(session, 4) == {4: b"four"}
    session.close()


def test_a_session_logs_out_if_all_that_was_asked_for_has_come(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        expect(r"\w+ UID FETCH 4 .*HEADER.*"),
        expect(r"\w+ UID FETCH 5 .*"),
        *[send(head(4)), send(body(5, "five")), send(DONE), send("{tag-1} OK done")],
        expect(r"\w+ LOGOUT"),
    )
    session.ask_heads([4])
    ask(session, 5)
    assert [one.uid for one in session.heads([4])] == [4]
    assert read(session, 5) == {5: b"five"}
    session.close()  # the header's answer hasn't been read yet


def test_a_session_with_something_in_flight_is_closed_at_once(scripted: Scripted) -> None:
    """LOGOUT would wait for all that was asked for."""
    session = at_work(scripted, expect(r"\w+ UID FETCH 4 .*"))
    ask(session, 4)
    session.close()
    assert not session.is_open
