"""The embedded mailbox, as an IMAP client sees it, and what it leaves on the disk."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from tests.rig.hearing import hear
from worker.demo.mailbox import EmbeddedMailbox, throw_away_password
from worker.demo.mailstore import Folder, Letter, MailStore
from worker.demo.samples import ACCOUNT, INBOX, JUNK_FOLDER, all_samples

PASSWORD = throw_away_password("pathology.results")


@pytest.fixture
def store(tmp_path: Path) -> MailStore:
    store = MailStore(tmp_path / "mailbox")
    letters = [Letter(number, store.put(_mail(number)), 1.7e9 + number) for number in range(1, 11)]
    store.save([Folder(INBOX, 14, 11, tuple(letters)), Folder(JUNK_FOLDER, 15, 1)])
    return store


@pytest.fixture
def mailbox(store: MailStore, tmp_path: Path) -> Iterator[EmbeddedMailbox]:
    with _served(store, tmp_path) as mailbox:
        yield mailbox


def _mail(number: int) -> bytes:
    return b"From: a@example.org\r\nSubject: %d\r\n\r\nbody\r\n" % number


def _served(store: MailStore, directory: Path) -> EmbeddedMailbox:
    return EmbeddedMailbox(store, address=ACCOUNT, password=PASSWORD, ca_file=directory / "ca.pem")


@contextmanager
def _connected(mailbox: EmbeddedMailbox, password: str = PASSWORD) -> Iterator[IMAPClient]:
    context = ssl.create_default_context(cafile=mailbox.ca_file)
    client = IMAPClient(mailbox.host, mailbox.port, ssl_context=context, timeout=10)
    try:
        client.login(mailbox.address, password)
        yield client
    finally:
        client.shutdown()


def test_a_client_needs_the_password(mailbox: EmbeddedMailbox) -> None:
    with pytest.raises(LoginError), _connected(mailbox, "Wr0ng-password"):
        pass


def test_a_client_needs_the_authority(mailbox: EmbeddedMailbox) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        IMAPClient(mailbox.host, mailbox.port, ssl_context=ssl.create_default_context(), timeout=10)


def test_it_says_what_the_worker_asks_for(mailbox: EmbeddedMailbox) -> None:
    with _connected(mailbox) as client:
        assert {b"UIDPLUS", b"MOVE", b"IDLE"} <= set(client.capabilities())
        assert client.folder_status(JUNK_FOLDER, ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]) == {
            b"MESSAGES": 0,
            b"UIDNEXT": 1,
            b"UIDVALIDITY": 15,
        }


def test_a_move_keeps_the_bytes_and_answers_copyuid(mailbox: EmbeddedMailbox, store: MailStore) -> None:
    with _connected(mailbox) as client:
        client.create_folder("Processed")
        client.select_folder(INBOX)
        client.move([2, 4], "Processed")
        _, answer = client._imap.response("COPYUID")
        moved = client.select_folder("Processed")[b"EXISTS"]
        bodies = [item[b"BODY[]"] for item in client.fetch(client.search(), ["BODY.PEEK[]"]).values()]

    assert answer[0].split()[1] == b"2,4"
    assert moved == 2
    assert bodies == [_mail(2), _mail(4)]
    kept = {folder.name: [store.get(letter.digest) for letter in folder.letters] for folder in store.load()}
    assert kept["Processed"] == [_mail(2), _mail(4)]
    assert kept[INBOX] == [_mail(number) for number in (1, 3, 5, 6, 7, 8, 9, 10)]


def test_idle_hears_of_new_mail(mailbox: EmbeddedMailbox) -> None:
    with _connected(mailbox) as waiting, _connected(mailbox) as delivering:
        waiting.select_folder(INBOX)
        waiting.idle()
        delivering.append(INBOX, _mail(99))
        hear(waiting, b"* 11 EXISTS")
        waiting.idle_done()


def test_copy_flags_and_uid_expunge(mailbox: EmbeddedMailbox, store: MailStore) -> None:
    with _connected(mailbox) as client:
        client.select_folder(INBOX)
        client.copy([3], JUNK_FOLDER)
        client.add_flags([3, 5], [b"\\Deleted"])
        client.uid_expunge([3])

    folders = {folder.name: folder for folder in store.load()}
    assert [letter.uid for letter in folders[INBOX].letters] == [1, 2, 4, 5, 6, 7, 8, 9, 10]
    assert [letter.flags for letter in folders[INBOX].letters if letter.uid == 5] == [("\\Deleted",)]
    assert [store.get(letter.digest) for letter in folders[JUNK_FOLDER].letters] == [_mail(3)]


def test_started_again_it_is_the_same_mailbox(store: MailStore, tmp_path: Path) -> None:
    with _served(store, tmp_path) as first, _connected(first) as client:
        client.create_folder("Processed")
        client.select_folder(INBOX)
        client.move([1], "Processed")
        client.set_flags([2], [b"\\Seen"])
        before = _seen(client)
    with _served(store, tmp_path) as second, _connected(second) as client:
        after = _seen(client)

    assert before == after
    assert len(before["Processed"][1]) == 1


def _seen(client: IMAPClient) -> dict[str, tuple[tuple[int, int], dict[int, Any]]]:
    """Per folder: UIDVALIDITY and UIDNEXT, and for each UID its flags, date and bytes."""
    seen: dict[str, tuple[tuple[int, int], dict[int, Any]]] = {}
    for _, _, name in client.list_folders():
        status = client.select_folder(name)
        uids = client.search()
        items = client.fetch(uids, ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"]) if uids else {}
        content = {
            uid: (set(i[b"FLAGS"]) - {b"\\Recent"}, i[b"INTERNALDATE"], i[b"BODY[]"]) for uid, i in items.items()
        }
        seen[name] = ((status[b"UIDVALIDITY"], status[b"UIDNEXT"]), content)
    return seen


def test_every_sample_comes_back_byte_for_byte(tmp_path: Path) -> None:
    store, samples = MailStore(tmp_path / "mailbox"), all_samples()
    letters = tuple(Letter(uid, store.put(sample.raw), 1.7e9) for uid, sample in enumerate(samples, 1))
    store.save([Folder(INBOX, 1, len(letters) + 1, letters)])

    with _served(store, tmp_path) as mailbox, _connected(mailbox) as client:
        client.select_folder(INBOX)
        fetched = client.fetch(range(1, len(samples) + 1), ["BODY.PEEK[]", "BODY.PEEK[HEADER]", "RFC822.SIZE"])

    for uid, sample in enumerate(samples, 1):
        assert fetched[uid][b"BODY[]"] == sample.raw, sample.name
        assert fetched[uid][b"RFC822.SIZE"] == len(sample.raw), sample.name
        assert sample.raw.startswith(fetched[uid][b"BODY[HEADER]"].rstrip(b"\r\n")), sample.name


def test_one_server_at_a_time(store: MailStore) -> None:
    with store.owned() as first, store.owned() as second:
        assert (first, second) == (True, False)
    with store.owned() as third:
        assert third
