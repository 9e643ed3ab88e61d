"""Reading the password: from its file before each attempt, or from the environment."""

import os
from pathlib import Path

import pytest

from worker.login.credential import CredentialUnavailable, Password, PasswordSource, Token, read_secret
from worker.login.fingerprint import Fingerprinter
from worker.login.token_cache import SignIn

SECRET = "Bright-Harbour-92"


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"Bright-Harbour-92", SECRET),
        (b"Bright-Harbour-92\n", SECRET),
        (b"Bright-Harbour-92\r\n", SECRET),
        (b"\xef\xbb\xbfBright-Harbour-92\n", SECRET),
        (b"Bright-Harbour-92\n\n", SECRET + "\n"),  # only the line's end goes; the policy sees the rest
        (b" Bright-Harbour-92 ", f" {SECRET} "),
        ("Blåbær-9".encode(), "Blåbær-9"),
        (b"", ""),
    ],
)
def test_the_line_break_at_the_end_isnt_the_password(tmp_path: Path, content: bytes, secret: str) -> None:
    assert read_secret(write(tmp_path / "p", content), "private") == secret


@pytest.mark.parametrize(
    ("mode", "setting", "fits"),
    [
        (0o600, "private", True),
        (0o400, "private", True),
        (0o640, "private", False),
        (0o604, "private", False),
        (0o620, "private", False),
        (0o640, "group", True),
        (0o660, "group", False),
        (0o644, "group", False),
        (0o644, "any", True),
        (0o777, "any", True),
    ],
)
def test_who_may_read_the_file(tmp_path: Path, mode: int, setting: str, *, fits: bool) -> None:
    path = write(tmp_path / "p", SECRET.encode(), mode)
    source = PasswordSource("a@nhs.net", file=path, value=None, mode=setting)  # type: ignore[arg-type] # literals
    said = r'/p is readable by people other .* Run `chmod 600` on it.* set `password_file_mode` to "group" or "any"\.$'
    if fits:
        assert source.read() == SECRET
    else:
        with pytest.raises(CredentialUnavailable, match=said):
            source.read()


def test_a_mounted_secret_is_a_link(tmp_path: Path) -> None:
    write(tmp_path / "data", SECRET.encode())
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert read_secret(tmp_path / "link", "private") == SECRET


def test_what_isnt_a_secret_file(tmp_path: Path) -> None:
    for path, said in (
        (tmp_path / "missing", r"can't be read .* Put the secret there, readable by the worker\.$"),
        (tmp_path, "isn't a file|can't be read"),
        (write(tmp_path / "large", b"x" * 70_000), "too large"),
        (write(tmp_path / "bytes", b"Bright-\xff-92"), "UTF-8"),
    ):
        with pytest.raises(CredentialUnavailable, match=said) as caught:
            read_secret(path, "private")
        assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)
        assert "Bright" not in repr(caught.value.__context__)
    assert read_secret(write(tmp_path / "just", b"x" * 65_536), "private") == "x" * 65_536


@pytest.mark.timeout(10)
def test_a_pipe_isnt_waited_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(CredentialUnavailable, match="isn't a file"):
        read_secret(tmp_path / "pipe", "private")


def test_it_is_read_anew_for_each_candidate(tmp_path: Path) -> None:
    path = write(tmp_path / "p", b"One-Password-1")
    source = PasswordSource("a@nhs.net", file=path, value=None)
    assert source.candidate().identity == "One-Password-1"
    write(path, b"Two-Password-2")
    assert source.candidate().obtain(refresh=False) == Password("a@nhs.net", "Two-Password-2")
    assert not source.needs_restart


def test_one_from_the_environment_needs_a_restart() -> None:
    source = PasswordSource("a@nhs.net", file=None, value=SECRET)
    assert (source.read(), source.needs_restart, source.candidate().password) == (SECRET, True, SECRET)


@pytest.mark.parametrize(("file", "value"), [(None, None), (Path("x"), "y")])
def test_it_comes_from_one_place(file: Path | None, value: str | None) -> None:
    with pytest.raises(ValueError, match="one of them"):
        PasswordSource("a@nhs.net", file=file, value=value)


def test_nothing_shows_a_secret(tmp_path: Path) -> None:
    things = [Password("u", SECRET), Token("u", SECRET), Token("u", SECRET).mechanism(), SignIn("x", SECRET)]
    things += [PasswordSource("u", file=None, value=SECRET).candidate(), Fingerprinter(SECRET.encode())]
    for thing in things:
        assert SECRET not in repr(thing)
        assert SECRET not in str(thing)


def test_an_empty_environment_is_an_empty_password() -> None:
    assert PasswordSource("a@nhs.net", file=None, value="").read() == ""
