"""`archive`: what is there under a key is neither overwritten nor taken for another message."""

import base64
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.archive import Archive
from tests.unit.handlers.test_archive import RAW, archive, files, message
from worker import KeyTaken, Reject

OTHER = RAW.replace(b"%PDF-1.4", b"%PDF-1.5")
RENDERED = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=another\r\n\r\n" + b"".join(
    b"--another\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(part)
    for part in (
        b"The message originated from outside of NHSmail",
        b"%PDF-1.4",
        b"Subject: inner\r\n\r\nx",
    )
)
"""The same parts below other headers, in another encoding."""


@pytest.fixture
def handler(tmp_path: Path) -> Archive:
    """An archive that holds the message under its key."""
    handler = archive(tmp_path)
    handler(message())
    handler.flush()
    return handler


def test_the_same_message_is_there(handler: Archive, tmp_path: Path) -> None:
    before = files(tmp_path)
    handler(message())
    handler(message(raw=RENDERED))
    handler.flush()
    assert files(tmp_path) == before


@pytest.mark.parametrize("gone", [(), ("message.eml",)], ids=str)
def test_other_content_is_refused(handler: Archive, tmp_path: Path, gone: tuple[str, ...]) -> None:
    for name in gone:
        (tmp_path / "k1" / name).unlink()
    before = files(tmp_path)
    with pytest.raises(KeyTaken) as caught:
        handler(message(raw=OTHER))
    assert isinstance(caught.value, Reject)
    handler.flush()
    assert files(tmp_path) == before


def test_a_folder_that_is_not_complete_is_filled_again(handler: Archive, tmp_path: Path) -> None:
    (tmp_path / "k1" / "message.json").unlink()
    handler(message(raw=OTHER))
    handler.flush()
    assert files(tmp_path)["k1/message.eml"] == OTHER


def test_what_is_staged_counts(tmp_path: Path) -> None:
    handler = archive(tmp_path)
    handler(message())
    handler(message())
    with pytest.raises(KeyTaken):
        handler(message(raw=OTHER))
    handler.flush()
    assert files(tmp_path)["k1/message.eml"] == RAW


def test_what_another_worker_has_put_there_meanwhile_counts(tmp_path: Path) -> None:
    handler, another = archive(tmp_path / "archive"), archive(tmp_path / "archive")
    handler(message(raw=OTHER))
    staged = tmp_path / "archive" / ".partial" / "k1"
    staged.rename(tmp_path / "aside")
    another(message())
    another.flush()
    (tmp_path / "aside").rename(staged)
    with pytest.raises(FileExistsError):
        handler.flush()
    with pytest.raises(KeyTaken):
        handler(message(raw=OTHER))
    handler.flush()
    assert files(tmp_path / "archive")["k1/message.eml"] == RAW


@given(raw=st.binary(max_size=60), other=st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_is_ever_overwritten_or_taken_for_another(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, other: bytes
) -> None:
    root = tmp_path_factory.mktemp("archive")
    handler = archive(root, attachments=False)
    handler(message(raw=raw))
    handler.flush()
    same = message(raw=raw).has_content_of(other)
    try:
        handler(message(raw=other))
    except KeyTaken:
        assert not same
    else:
        assert same
    handler.flush()
    assert files(root)["k1/message.eml"] == raw
