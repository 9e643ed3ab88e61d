"""Senders by a keyed hash: told apart, known again, and not to be read off."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.classify.policy import JunkPolicy
from worker.handling.routing.conditions import any_pattern
from worker.message.mime.headers import Headers
from worker.pipeline.known_senders import Sender, Senders, UnusableKey, read_key
from worker.settings.junk_settings import JunkSettings

KEY = bytes(32)


def senders(*patterns: str, key: bytes = KEY) -> Senders:
    known = JunkSettings.model_validate({"known_senders": patterns}).known_senders if patterns else ()
    return Senders(key, any_pattern(known or ()), JunkPolicy())


def sender(raw: bytes, *patterns: str, key: bytes = KEY) -> Sender:
    return senders(*patterns, key=key)(Headers.from_bytes(raw + b"\r\n\r\n"))


def test_one_address_is_one_sender_however_it_is_written() -> None:
    marks = {
        sender(raw).mark
        for raw in (
            b"From: Laboratory <results@lab.nhs.uk>",
            b"From: RESULTS@LAB.nhs.uk",
            b"From: =?utf-8?q?L=C3=A4b?=\r\n <results@lab.nhs.uk>",
            b"Sender: results@lab.nhs.uk",
            b"From: results@lab.nhs.uk, other@x.example",
        )
    }
    assert len(marks) == 1
    assert sender(b"From: other@lab.nhs.uk").mark not in marks


def test_without_the_key_it_can_not_be_known_again() -> None:
    raw = b"From: results@lab.nhs.uk"
    assert sender(raw).mark != sender(raw, key=b"1" * 32).mark
    assert "lab" not in str(sender(raw))


def test_one_address_is_one_sender_and_the_provider_says_whether_it_is() -> None:
    entered = (
        b"Received: from mail.lab.nhs.uk (192.0.2.1) by a.mail.protection.outlook.com; Mon, 2 Nov 2026 09:00:00 Z\r\n"
    )
    said = b"Authentication-Results: spf=%s smtp.mailfrom=lab.nhs.uk;\r\n dmarc=%s header.from=lab.nhs.uk\r\n"
    own = b"From: results@lab.nhs.uk"
    found = [sender(top + entered + own) for top in (said % (b"pass", b"pass"), said % (b"fail", b"fail"), b"")]
    assert [one.confirmed for one in found] == [True, False, None]
    assert len({one.mark for one in found}) == 1
    assert sender(entered + said % (b"pass", b"pass") + own).confirmed is None


def test_nobody_is_nobody() -> None:
    assert sender(b"Subject: x", "*") == Sender(None, False)
    assert sender(b"From: ", "*") == Sender(None, False)


def test_the_settings_name_senders_by_patterns() -> None:
    assert sender(b"From: A@Lab.nhs.uk", "*@lab.nhs.uk").listed
    assert not sender(b"From: a@lab.nhs.uk.evil.example", "*@lab.nhs.uk").listed
    assert not sender(b"From: a@lab.nhs.uk").listed


@given(st.binary(max_size=300))
def test_no_header_is_an_error(value: bytes) -> None:
    found = sender(b"From: " + value.replace(b"\n", b""), "*@lab.nhs.uk")
    assert found.mark is None or len(found.mark) == 32


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    key = read_key(tmp_path / "state")
    assert len(key) == 32
    assert read_key(tmp_path / "state") == key
    assert [(path.name, path.stat().st_mode & 0o777) for path in (tmp_path / "state").iterdir()] == [
        ("senders.key", 0o600)
    ]


@pytest.mark.parametrize("content", ["", "xyz", "00" * 31, "ü"])
def test_what_is_no_key_is_said(tmp_path: Path, content: str) -> None:
    file = tmp_path / "senders.key"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(UnusableKey, match="is no longer a valid key"):
        read_key(tmp_path)


def test_a_key_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    key = read_key(tmp_path)
    (tmp_path / "senders.key").chmod(0o664)
    assert read_key(tmp_path) == key
    assert (tmp_path / "senders.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_cannot_be_read_says_which_file_and_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "senders.key"
    file.mkdir(mode=0o700)
    with pytest.raises(UnusableKey) as refused:
        read_key(tmp_path)
    assert str(refused.value).startswith(f"{file} can't be used (")
    assert str(refused.value).endswith("): let the worker's user read and write it")


def test_an_address_with_bytes_that_are_no_text_is_a_sender_too() -> None:
    """Each byte counts."""
    marks = {sender(b"From: r\xe9sults@lab.nhs.uk").mark, sender(b"From: r\xe8sults@lab.nhs.uk").mark}
    assert len(marks) == 2
    assert None not in marks


def test_only_the_first_from_names_the_sender() -> None:
    """What stands below it may be anybody's."""
    raw = b"From: <>\r\nFrom: other@x.example\r\nSender: results@lab.nhs.uk"
    assert sender(raw).mark == sender(b"From: results@lab.nhs.uk").mark
