"""One folder: what SEARCH or the journal names, and the newest in any case. Nothing is said not to be there unread."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes.mailbox import INBOX, Mail, Server
from worker.commands.find.criteria import Criteria, Window
from worker.commands.find.folder_find import FolderFind
from worker.commands.find.folder_search import Bounds, FolderSearch
from worker.mailbox.session import FolderState
from worker.message.key import Fingerprints

ACCOUNT = "pathology.results@nhs.net"


@dataclass
class Journal:
    """What the journal names."""

    certain: Sequence[int] = ()
    possible: Sequence[int] = ()

    def sure(self, _state: FolderState) -> Sequence[int]:
        return self.certain

    def maybe(self, _state: FolderState) -> Sequence[int]:
        return self.possible


def raw(subject: str, sender: str = "Dr Y <y@gp.example.org>") -> bytes:
    return f"From: {sender}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\r\nbody\r\n".encode()


def searched(
    server: Server,
    criteria: Criteria,
    *,
    limit: int = 20,
    look: int = 5,
    journal: Journal | None = None,
    keyed: Sequence[str] = (),
) -> FolderFind:
    session: Any = server.session()
    search = FolderSearch(session, criteria, Fingerprints(ACCOUNT), Bounds(limit, look), keyed)
    return search.find(INBOX, journal or Journal())


def uids(found: FolderFind) -> list[int]:
    return sorted(hit.uid for hit in found.hits)


def test_an_old_one_is_found_by_search_and_a_new_one_that_search_misses_by_its_header() -> None:
    server = Server()
    server.deliver(raw("blood 1"))
    for number in range(10):
        server.deliver(raw(f"other {number}"))
    server.deliver(raw("blood 2"), unsearched=True)
    found = searched(server, Criteria(subject="Blood"))
    assert uids(found) == [1, 12]
    assert (found.look.named, found.look.messages, found.look.read, found.look.dated) == (1, 12, 6, 5)
    assert not found.look.complete


def test_what_search_names_wrongly_is_not_what_was_looked_for() -> None:
    server = Server()
    server.deliver(raw("blood", sender="Dr Q <q@gp.example.org>"))
    assert searched(server, Criteria(subject="blood", sender="Dr Y")).hits == []


def test_the_journal_names_what_search_and_the_newest_miss() -> None:
    server = Server()
    server.deliver(raw("Blut für 1"), unsearched=True)
    server.deliver(raw("Blut für 2"), unsearched=True, received_at=50.0)
    for number in range(10):
        server.deliver(raw(f"other {number}"))
    assert uids(searched(server, Criteria(subject="blut"), look=2, journal=Journal(certain=[1]))) == [1]
    within = Criteria(subject="blut", window=Window(40.0, 60.0))
    assert uids(searched(server, within, look=1, journal=Journal(possible=[2]))) == [2]


def test_within_a_time_dates_reach_further_than_headers() -> None:
    server = Server()
    for number in range(12):
        server.deliver(raw(f"für {number}"), received_at=float(number * 100), unsearched=True)
    found = searched(server, Criteria(subject="für", window=Window(700.0, 900.0)), look=3)
    assert uids(found) == [8, 9]
    assert (found.look.dated, found.look.read, found.look.complete) == (12, 2, True)
    found = searched(server, Criteria(subject="für", window=Window(700.0, 1200.0)), look=3)
    assert uids(found) == [10, 11, 12]
    assert (found.look.skipped, found.look.complete) == (2, False)


def test_by_days_alone_search_names_too_many_so_what_is_known_to_be_meant_comes_first() -> None:
    server = Server()
    for number in range(40):
        server.deliver(raw(f"für {number}"), received_at=1e5 + number)
    journal = Journal(possible=[11])
    found = searched(server, Criteria(subject="für", window=Window(1e5 + 10, 1e5 + 11)), look=3, journal=journal)
    assert uids(found) == [11]
    assert (found.look.named, found.look.dated, found.look.read, found.look.skipped) == (40, 12, 3, 25)
    assert not found.look.complete


def test_enough_is_enough_and_the_rest_is_counted() -> None:
    server = Server()
    for number in range(250):
        server.deliver(raw(f"blood {number}"))
    found = searched(server, Criteria(subject="blood"), limit=20, look=1)
    assert len(found.hits) == 100  # they come a hundred at a time
    assert uids(found)[0] == 151
    assert (found.look.left, found.look.complete) == (150, False)


def test_a_folder_that_cannot_be_opened_and_one_that_is_empty() -> None:
    server = Server()
    del server.folders[INBOX]
    found = searched(server, Criteria(subject="x"))
    assert found.state is None
    assert "INBOX" in found.look.unopened
    assert not found.look.complete
    assert searched(Server(), Criteria(subject="x")).look.complete


def test_a_refused_search_and_refused_headers_are_told() -> None:
    server = Server()
    server.deliver(raw("blood 1"))
    server.deliver(raw("blood 2"), veiled=True)
    refusing: set[Any] = server.refusing
    refusing.add(("search_for", None))
    found = searched(server, Criteria(subject="blood"))
    assert uids(found) == [1]
    assert (found.look.refused, found.look.named, found.look.hidden, found.look.complete) == (True, None, 1, False)


def test_a_placeholder_is_not_its_message() -> None:
    server = Server()
    subject = "Retrieval using the IMAP4 protocol failed for the following message: 1"
    server.deliver(raw(subject, "Microsoft Exchange Server 2016 <MicrosoftExchange@nhs.net>"))
    found = searched(server, Criteria(sender="Microsoft"))
    assert (found.hits, found.look.hidden, found.look.complete) == ([], 1, False)


def test_by_a_key_only_the_same_headers_count() -> None:
    server = Server()
    for subject in ("a", "b", "a"):
        server.deliver(raw(subject))
    fingerprint = Fingerprints(ACCOUNT).of_block(raw("a").partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert uids(searched(server, Criteria(key="x"), keyed=[fingerprint])) == [1, 3]


def test_only_what_the_journal_names_is_read_where_that_is_enough() -> None:
    server = Server()
    for number in range(3):
        server.deliver(raw(f"blood {number}"))
    session: Any = server.session()
    search = FolderSearch(session, Criteria(subject="blood"), Fingerprints(ACCOUNT), Bounds(20, 5), ())
    found = search.at(INBOX, Journal(certain=[2, 9]))
    assert uids(found) == [2]
    assert (found.look.read, found.look.hidden, found.was_asked_for(9)) == (1, 0, True)


MAILS = st.lists(
    st.tuples(
        st.sampled_from(["blood", "other", "Befund für"]),
        st.integers(0, 5),
        st.sampled_from(["", "", "unsearched", "unlisted", "headless", "veiled"]),
    ),
    max_size=12,
)
DAYS = st.tuples(st.integers(0, 5), st.integers(1, 3)).map(lambda days: Window(days[0] * 1e5, sum(days) * 1e5))
WINDOWS = st.one_of(st.just(Window()), DAYS)

KNOWN = st.lists(st.integers(1, 12), max_size=3)


@given(MAILS, st.sampled_from(["BLOOD", "für", "other"]), WINDOWS, st.integers(0, 12), st.integers(1, 3), KNOWN)
@example([("blood", 0, "unsearched")] * 3, "BLOOD", Window(0.0, 1e5), 1, 3, [])
def test_what_is_there_is_found_or_the_folder_is_not_said_to_be_looked_through(
    mails: Sequence[tuple[str, int, str]], wanted: str, window: Window, look: int, limit: int, known: Sequence[int]
) -> None:
    """Whatever SEARCH, listings and headers leave out."""
    server = Server()
    there: dict[int, Mail] = {}
    for uid, (subject, day, quirk) in enumerate(mails, 1):
        quirks: Any = {quirk: True} if quirk else {}
        there[uid] = server.deliver(raw(f"{subject} {uid}"), received_at=day * 1e5, **quirks)
    rows = [uid for uid in known if uid in there]
    found = searched(
        server,
        Criteria(subject=wanted, window=window),
        look=look,
        limit=limit,
        journal=Journal(certain=rows, possible=rows),
    )
    meant = {
        uid
        for uid, mail in there.items()
        if wanted.lower() in mail.raw.decode().lower() and window.holds(mail.received_at)
    }
    assert set(uids(found)) <= meant
    if found.look.complete:
        assert set(uids(found)) == meant
    hidden = any(mail.unlisted or mail.headless or mail.veiled for mail in there.values())
    assert found.look.complete or hidden or look < len(there)
