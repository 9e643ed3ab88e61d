"""The cache file: whose sign-in it keeps, and what earlier versions wrote."""

import fcntl
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from worker.login.credential import CredentialUnavailable
from worker.login.token_cache import LOCK, NAME, SignIn, TokenCache

MAILBOX, PERSON = "results@nhs.net", "jo.bloggs@nhs.net"


def left_behind(folder: Path, **fields: object) -> None:
    path = folder / NAME
    path.touch(mode=0o600)
    path.write_text(json.dumps(fields))


def test_a_sign_in_is_kept_with_its_user(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path)
    cache.save("{}", user=PERSON)
    kept = cache.load()
    assert kept is not None
    assert kept.is_of(PERSON.upper(), mailbox=MAILBOX)
    assert not kept.is_of(MAILBOX, mailbox=MAILBOX)
    assert "{}" not in repr(kept)


def test_what_an_earlier_version_kept_is_the_mailboxs_own(tmp_path: Path) -> None:
    left_behind(tmp_path, name="n", tokens="{}")
    kept = TokenCache(tmp_path).load()
    assert kept is not None
    assert (kept.name, kept.tokens, kept.user) == ("n", "{}", None)
    assert kept.is_of(MAILBOX, mailbox=MAILBOX)
    assert not kept.is_of(PERSON, mailbox=MAILBOX)


@pytest.mark.parametrize("user", ["", None])
def test_without_a_user_it_is_the_mailboxs_own(tmp_path: Path, user: str | None) -> None:
    left_behind(tmp_path, name="n", tokens="{}", user=user)
    kept = TokenCache(tmp_path).load()
    assert kept is not None
    assert kept.is_of(MAILBOX, mailbox=MAILBOX)


def kept_in(cache: TokenCache) -> SignIn:
    kept = cache.load()
    assert kept is not None
    return kept


def test_a_sign_in_that_a_person_makes_meanwhile_is_known_for_another(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path)
    cache.save("1", user=PERSON)
    first = kept_in(cache)
    cache.renew(first, "2", user=PERSON)
    assert cache.has(first), "renewed, it is the same"
    assert kept_in(cache).tokens == "2"
    cache.save("3", user=PERSON)
    assert not cache.has(first)
    cache.forget(kept_in(cache))
    assert not cache.has(first)
    assert cache.load() is None


def test_a_sign_in_that_a_person_makes_meanwhile_is_neither_overwritten_nor_forgotten(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path)
    cache.save("1", user=PERSON)
    first = kept_in(cache)
    cache.save("2", user=PERSON)
    cache.renew(first, "1 renewed", user=PERSON)
    cache.forget(first)
    assert kept_in(cache).tokens == "2"


def test_a_renewal_waits_for_a_person_who_is_signing_in_this_moment(tmp_path: Path) -> None:
    """Both would write the same new file, and the renewal would look at what is kept before it is replaced."""
    cache = TokenCache(tmp_path)
    cache.save("1", user=PERSON)
    first = kept_in(cache)
    held = os.open(tmp_path / LOCK, os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    renewal = threading.Thread(target=cache.renew, args=(first, "1 renewed"), kwargs={"user": PERSON})
    renewal.start()
    renewal.join(0.2)
    assert renewal.is_alive()
    left_behind(tmp_path, name="another", user=PERSON, tokens="2")
    os.close(held)
    renewal.join(10)
    assert kept_in(cache).tokens == "2"


def test_processes_that_write_at_once_never_disturb_one_another(tmp_path: Path) -> None:
    cache, long = TokenCache(tmp_path), "x" * 100_000
    cache.save(long, user=PERSON)
    with ThreadPoolExecutor(4) as pool:
        written = [pool.submit(cache.save, long, user=PERSON) for _ in range(16)]
        while not all(one.done() for one in written):
            assert kept_in(cache).tokens == long
    for one in written:
        one.result()
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, LOCK]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CredentialUnavailable, match="Make the state folder writable"):
        TokenCache(tmp_path).save("1", user=PERSON)
    assert not (tmp_path / "elsewhere").exists()
