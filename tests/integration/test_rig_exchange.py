"""The imitation of Exchange itself: each peculiarity that a scenario names is seen by a client."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from tests.rig.dovecot import JUNK, Dovecot, Mailbox
from tests.rig.exchange.fetched import Fetched
from tests.rig.exchange.imitation import Exchange
from tests.rig.exchange.placeholders import being_scanned, not_converted
from tests.rig.exchange.rules import Late, Rules, Shown, Trouble, scenarios
from tests.rig.letters import letter, letters
from tests.rig.messages import message_of

ADDRESS, PASSWORD = "pathology.results@nhs.net", "Bright-Harbour-92"
Given = Callable[..., tuple[Exchange, Mailbox]]


@pytest.fixture
def given(make_dovecot: Callable[..., Dovecot]) -> Given:
    """The usual scenario with other rules, and a mailbox with three letters."""

    def make(scenario: str = "usual", **rules: object) -> tuple[Exchange, Mailbox]:
        exchange = Exchange(Rules.of(scenario).model_copy(update=rules))
        mailbox = make_dovecot(users={ADDRESS: PASSWORD}, manners=exchange).mailbox(ADDRESS)
        mailbox.append_many("INBOX", letters(3))
        return exchange, mailbox

    return make


@contextmanager
def connected(mailbox: Mailbox, password: str | None = PASSWORD, folder: str | None = "INBOX") -> Iterator[IMAPClient]:
    context = ssl.create_default_context(cafile=str(mailbox.ca_file))
    client = IMAPClient(mailbox.host, mailbox.port, ssl_context=context, timeout=10)
    try:
        if password is not None:
            client.login(ADDRESS, password)
            if folder is not None:
                client.select_folder(folder)
        yield client
    finally:
        client.shutdown()


def raw(client: IMAPClient, *words: str) -> list[bytes]:
    """The lines of an answer, as they came."""
    _, lines = client._imap.uid(*words)
    return list(lines)


@pytest.mark.parametrize("scenario", scenarios())
def test_each_scenario_says_what_it_is(scenario: str) -> None:
    assert Rules.of(scenario).about.endswith(".")


def test_capabilities_before_and_after_the_login(given: Given) -> None:
    _, mailbox = given()
    with connected(mailbox, None) as client:
        assert b"Microsoft Exchange" in client.welcome
        assert b"MOVE" not in client.capabilities()
        client.login(ADDRESS, PASSWORD)
        after = client.capabilities()
    assert b"MOVE" in after
    assert not {b"CONDSTORE", b"ESEARCH", b"SPECIAL-USE", b"LIST-EXTENDED"} & set(after)


def test_a_rejected_login_says_no_more_than_that(given: Given) -> None:
    _, mailbox = given()
    with connected(mailbox, None) as client, pytest.raises(LoginError, match="LOGIN failed"):
        client.login(ADDRESS, "Grey-Harbour-17")
    assert mailbox.attempts == 1


def test_login_may_be_switched_off_and_what_is_enabled_breaks_search(given: Given) -> None:
    exchange, mailbox = given("tenant-2026")
    with connected(mailbox, None) as client:
        with pytest.raises(LoginError, match="Invalid state"):
            client.login(ADDRESS, PASSWORD)
        client.oauth2_login(ADDRESS, mailbox.token())
        client._imap._simple_command("ENABLE", "IMAP4rev2")
        client.select_folder("INBOX")
        with pytest.raises(IMAPClientError, match="Command Error"):
            client.search()
    assert exchange.misuse == ["LOGIN", "ENABLE IMAP4rev2"]
    assert mailbox.history == []


def test_sizes_are_estimates_items_come_in_any_order_and_every_folder_has_uidvalidity_14(given: Given) -> None:
    _, mailbox = given()
    mailbox.append_many(JUNK, letters(1))
    with connected(mailbox) as client:
        lines = [line for _ in range(4) for line in raw(client, "FETCH", "1:3", "(UID RFC822.SIZE INTERNALDATE FLAGS)")]
        assert len({line.split(b"(")[1].split()[0] for line in lines}) > 1  # what comes first
        sizes = {uid: item[b"RFC822.SIZE"] for uid, item in client.fetch([1, 2, 3], ["RFC822.SIZE"]).items()}
        bodies = {uid: item[b"BODY[]"] for uid, item in client.fetch([1, 2, 3], ["BODY.PEEK[]"]).items()}
        states = [client.folder_status(folder, ["UIDVALIDITY"]) for folder in ("INBOX", JUNK)]
        assert client.select_folder(JUNK)[b"UIDVALIDITY"] == 14
    assert list(bodies.values()) == letters(3)
    assert any(sizes[uid] != len(bodies[uid]) for uid in bodies)
    assert states == [{b"UIDVALIDITY": 14}] * 2


def test_keywords_are_refused_and_so_is_what_it_does_not_offer(given: Given) -> None:
    exchange, mailbox = given()
    with connected(mailbox) as client:
        commands: list[Callable[[], object]] = [
            lambda: client.add_flags([1], ["$Junk"]),
            lambda: client.search(["KEYWORD", "done"]),
            lambda: client._imap.uid("SEARCH", "RETURN", "(ALL)", "ALL"),
            lambda: client._imap.uid("FETCH", "1", "(FLAGS)", "(CHANGEDSINCE 1)"),
        ]
        for command in commands:
            with pytest.raises((IMAPClientError, client._imap.error), match="Command Argument Error"):
                command()
        client.add_flags([1], ["\\Seen"])
    assert len(exchange.misuse) == 4


def test_copyuid_takes_each_form_in_turn(given: Given) -> None:
    _, mailbox = given(copyuid=["[COPYUID {validity} {old}]", "[COPYUID {validity} {old} {new}]"])
    with connected(mailbox) as client:
        told = []
        for uid in (1, 2):
            client.move([uid], JUNK)
            told.append(client._imap.untagged_responses.pop("COPYUID"))
    assert told == [[b"14 1"], [b"14 2 2"]]


def test_a_malformed_bodystructure_breaks_the_client_that_asks_for_it(given: Given) -> None:
    _, mailbox = given()
    with connected(mailbox) as client, pytest.raises(Exception, match="Tuple incomplete"):
        client.fetch([1], ["BODYSTRUCTURE"])


def test_folders_have_other_names_no_marks_and_more_beside_them(given: Given) -> None:
    _, mailbox = given("french")
    with connected(mailbox) as client:
        listed = {name: flags for flags, _, name in client.list_folders()}
        assert {"Courrier indésirable", "Calendrier", "Contacts", "Tâches"} <= set(listed)
        assert JUNK not in listed
        assert not any(b"Junk" in flag for flags in listed.values() for flag in flags)
        client.move([1], "Courrier indésirable")
        assert client.folder_status("Courrier indésirable", ["MESSAGES"]) == {b"MESSAGES": 1}
    assert len(mailbox.stored(JUNK)) == 1


def uids(lines: list[bytes]) -> list[int]:
    return [int(line.rpartition(b"UID ")[2].rstrip(b")")) for line in lines]


def shown_in_turn(client: IMAPClient, times: int) -> list[bytes | None]:
    found = []
    for _ in range(times):
        items = client.fetch([1], ["BODY.PEEK[]"]).get(1)
        found.append(None if items is None else items[b"BODY[]"])
    return found


def test_what_fetch_shows_late(given: Given) -> None:
    first: dict[Shown, bytes | None] = {
        "nothing": None,
        "empty": b"",
        "bodiless": b"",
        "conversion": not_converted(1),
        "scan": being_scanned(letter(1)),
    }
    for shows, expected in first.items():
        exchange, mailbox = given(late=[Late(every=1, shows=shows, asks=2)])
        with connected(mailbox) as client:
            assert client.search() == [1, 2, 3]
            assert shown_in_turn(client, 3) == [expected, expected, letter(1)]
            client.move([1], JUNK)
            client.select_folder(JUNK)
            assert shown_in_turn(client, 1) == [letter(1)]  # what was shown once stays
        assert exchange.hits[shows] == 2


@pytest.mark.parametrize(
    ("placeholder", "kind"),
    [
        (not_converted(1), "retrieval-failed"),
        (not_converted(2), "retrieval-failed"),
        (being_scanned(letter(1)), "atp-scan"),
    ],
)
def test_the_placeholders_are_such_to_the_worker(placeholder: bytes, kind: str) -> None:
    assert message_of(placeholder).stand_in == kind


def test_listings_miss_what_has_just_come_and_show_the_last_before(given: Given) -> None:
    _, mailbox = given("unlisted")
    with connected(mailbox) as client:
        mailbox.append_many("INBOX", letters(1, start=4))
        assert (4, b"EXISTS") in client.noop()[1]
        assert uids(raw(client, "FETCH", "4:*", "(UID)")) == [3]
        assert client.search(["UID", "1:*"]) == [1, 2, 3]
        assert client.search(["UID", "1:*"]) == [1, 2, 3, 4]
        assert uids(raw(client, "FETCH", "4:*", "(UID)")) == [4]


def test_search_misses_messages_and_takes_no_charset(given: Given) -> None:
    exchange, mailbox = given(unsearched=2)
    with connected(mailbox) as client:
        assert client.search(["UID", "1:*"]) == [1, 2, 3]
        assert client.search(["SUBJECT", "Report"]) == client.search(["FROM", "results"]) == [1, 3]
        assert exchange.hits["unsearched"] == 2
        with pytest.raises(IMAPClientError, match="BADCHARSET"):
            client.search(["SUBJECT", "für"], charset="UTF-8")
        assert client.search(["SUBJECT", "Report 1"]) == [1]  # the connection is as good as before
    assert len(exchange.misuse) == 1


@pytest.mark.parametrize("done", [False, True])
def test_a_trouble_comes_as_often_as_the_rule_says(given: Given, done: bool) -> None:
    trouble = Trouble(command="^UID MOVE", say=["{tag} NO Server Unavailable. 15"], skip=1, every=2, times=1, done=done)
    exchange, mailbox = given(trouble=[trouble])
    with connected(mailbox) as client:
        client.move([1], JUNK)
        with pytest.raises(IMAPClientError, match="Server Unavailable"):
            client.move([2], JUNK)
        assert len(mailbox.stored(JUNK)) == 1 + done
        client.move([3], JUNK)
    assert exchange.hits["{tag} NO Server Unavailable. 15"] == 1


def test_a_bye_ends_the_connection(given: Given) -> None:
    said = ["* BYE Session invalidated - AccessTokenExpired"]
    _, mailbox = given(trouble=[Trouble(command="^NOOP", say=said, end=True)])
    with connected(mailbox) as client, pytest.raises(IMAPClientAbortError, match=r"EOF|AccessTokenExpired"):
        client.noop()


def test_an_answer_is_put_together_again_as_it_was() -> None:
    header, body = b'Subject: (a " b\r\n\r\n', b"x" * 7
    response = [
        b'* 3 FETCH (UID 7 FLAGS (\\Seen "a b") BODY[HEADER.FIELDS (SUBJECT)] {%d}\r\n' % len(header),
        header,
        b' INTERNALDATE "01-Jan-2026 10:00:00 +0000" BODY[]<0> {7}\r\n',
        body,
        b" X NIL)\r\n",
    ]
    fetched = Fetched.of(response)
    assert fetched is not None
    assert fetched.uid == 7
    assert list(fetched.literals.values()) == [header, body]
    assert fetched.response() == response
