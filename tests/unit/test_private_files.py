"""Files that only we may read: written whole, closed to others; secrets and keys read from them."""

import errno
import os
from pathlib import Path
from typing import get_args

import pytest

from tests.unit.settings.test_disk import settings
from worker.login.credential import CredentialUnavailable, PasswordSource
from worker.private_files import (
    KEY_BYTES,
    FileMode,
    NotAFile,
    NotText,
    TooLarge,
    TooOpen,
    UnfitSecret,
    create,
    is_too_open,
    keep_private,
    read_key,
    read_secret,
    write_once,
    written_whole,
)
from worker.settings import check_files

SECRET = "Bright-Harbour-92"


def write(path: Path, content: bytes = SECRET.encode(), mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def refuse(*_given: object) -> None:
    raise OSError(errno.EIO, "no")


# -- writing -----------------------------------------------------------------------------------------------------------


def test_a_new_file_is_ours_alone_and_new(tmp_path: Path) -> None:
    os.close(create(tmp_path / "a"))
    assert mode_of(tmp_path / "a") == 0o600
    with pytest.raises(FileExistsError):
        create(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        create(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_made_once_is_made_by_the_first(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a"
    assert write_once(path, "one\n")
    assert not write_once(path, "two\n")
    assert (path.read_text(), mode_of(path), mode_of(path.parent)) == ("one\n", 0o600, 0o700)
    assert list(path.parent.iterdir()) == [path]


def test_another_process_may_be_quicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def late(new: Path, path: Path) -> None:
        path.write_text("theirs")
        link(new, path)

    monkeypatch.setattr(os, "link", late)
    assert not write_once(tmp_path / "a", "ours")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "theirs")]


@pytest.mark.parametrize("what", ["fsync", "link"])
def test_a_file_that_cant_be_made_whole_isnt_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(os, what, refuse)
    with pytest.raises(OSError, match="no"):
        write_once(tmp_path / "a", "ours")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_given: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    assert write_once(tmp_path / "a", "ours")
    assert not write_once(tmp_path / "a", "again")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "ours")]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"before")
    with written_whole(path) as file:
        file.write(b"after")
        assert path.read_bytes() == b"before"
    assert (path.read_bytes(), mode_of(path), list(tmp_path.iterdir())) == (b"after", 0o600, [path])


def test_half_a_file_replaces_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"before")

    def die_halfway() -> None:
        with written_whole(path) as file:
            file.write(b"aft")
            raise ValueError("oh")

    with pytest.raises(ValueError, match="oh"):
        die_halfway()
    assert path.read_bytes() == b"before"
    with written_whole(path) as file:  # what was left is no hindrance
        file.write(b"after")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"after", [path])


def test_a_file_that_was_opened_to_others_is_closed_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a", mode=0o664)
    keep_private(path)
    assert mode_of(path) == 0o600
    path.chmod(0o400)
    keep_private(path)
    assert mode_of(path) == 0o400


# -- who may read a secret ---------------------------------------------------------------------------------------------

MODES = [
    (0o600, {"private", "group", "any"}),
    (0o400, {"private", "group", "any"}),
    (0o640, {"group", "any"}),
    (0o440, {"group", "any"}),
    (0o650, {"group", "any"}),
    (0o620, {"any"}),
    (0o660, {"any"}),
    (0o604, {"any"}),
    (0o644, {"any"}),
    (0o777, {"any"}),
]


@pytest.mark.parametrize(("mode", "accepted_by"), MODES)
@pytest.mark.parametrize("who", get_args(FileMode))
def test_check_and_login_agree_on_who_may_read_a_password(
    tmp_path: Path, who: FileMode, mode: int, accepted_by: set[str]
) -> None:
    path = write(tmp_path / "password", mode=mode)
    fits = who in accepted_by
    assert is_too_open(mode, who) is not fits
    assert (check_files(settings(account={"password_file": str(path), "password_file_mode": who})) == []) is fits
    source = PasswordSource("a@nhs.net", file=path, value=None, mode=who)
    if fits:
        assert source.read() == SECRET
    else:
        with pytest.raises(CredentialUnavailable, match=f"mode {mode:o}"):
            source.read()


def test_a_secret_that_the_group_may_replace_is_neither_sound_nor_sent(tmp_path: Path) -> None:
    path = write(tmp_path / "password", mode=0o660)
    (fault,) = check_files(settings(account={"password_file": str(path), "password_file_mode": "group"}))
    assert fault.startswith(f"[account] password_file: {path} has mode 0660, so users other than the worker may read")
    with pytest.raises(CredentialUnavailable, match=r"\(mode 660\)\. No login was tried"):
        PasswordSource("a@nhs.net", file=path, value=None, mode="group").candidate()


# -- what is in it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"x", "x"),
        (b"x\n", "x"),
        (b"x\r\n", "x"),
        (b"x\n\n", "x\n"),
        (b"\xef\xbb\xbfx\n", "x"),
        (b" x ", " x "),
        (b"", ""),
        (b"x" * 65_536, "x" * 65_536),
    ],
)
def test_what_is_the_secret(tmp_path: Path, content: bytes, secret: str) -> None:
    assert read_secret(write(tmp_path / "s", content)) == secret


def test_what_is_no_secret(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    cases: list[tuple[Path, type[UnfitSecret], str]] = [
        (tmp_path, NotAFile, "isn't a file"),
        (tmp_path / "pipe", NotAFile, "isn't a file"),
        (write(tmp_path / "large", b"x" * 65_537), TooLarge, "is too large to hold a secret"),
        (write(tmp_path / "bytes", SECRET.encode() + b"\xff"), NotText, "isn't UTF-8 text"),
        (write(tmp_path / "open", mode=0o644), TooOpen, r"is open to others \(mode 644\)"),
    ]
    for path, kind, said in cases:
        with pytest.raises(kind, match=f"^{said}$") as caught:
            read_secret(path, "private")
        assert caught.value.__context__ is None
    with pytest.raises(FileNotFoundError):
        read_secret(tmp_path / "missing")


def test_no_file_is_left_open(tmp_path: Path) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    read_secret(write(tmp_path / "s"))
    for path in (tmp_path, write(tmp_path / "open", mode=0o644)):
        with pytest.raises(UnfitSecret):
            read_secret(path, "private")
    assert set(Path("/proc/self/fd").iterdir()) <= before


def test_a_key_is_read_as_it_was_written(tmp_path: Path) -> None:
    for content in ("0f" * KEY_BYTES, "0F" * KEY_BYTES + "\n"):
        assert read_key(write(tmp_path / "key", content.encode())) == b"\x0f" * KEY_BYTES


@pytest.mark.parametrize("content", [b"", b"xyz", b"0f" * (KEY_BYTES - 1), b"0f" * (KEY_BYTES + 1), b"\xc3\xbc"])
def test_what_is_no_key(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match="not a key of 32 bytes") as caught:
        read_key(write(tmp_path / "key", content))
    assert caught.value.__context__ is None


def test_what_another_process_has_begun_meanwhile_stays(tmp_path: Path) -> None:
    path, begun = tmp_path / "oauth.json", tmp_path / "oauth.json.new"

    def place(new: Path, name: Path) -> None:
        new.replace(name)
        begun.write_bytes(b"another's")

    with written_whole(path, place) as file:
        file.write(b"ours")
    assert (path.read_bytes(), begun.read_bytes()) == (b"ours", b"another's")
