"""`show` prints whatever a sender made up, and never ends with a fault."""

import os
import subprocess
import sys
from contextlib import nullcontext
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.mailbox import JUNK, Server
from tests.fuzz.hostile import CHARSETS, TEXTS, hostile
from tests.unit.commands.test_shown import assert_safe
from tests.unit.commands.world import HEAD, record, shown
from worker.cli import main as cli
from worker.cli import review, tables
from worker.commands import review as commands
from worker.commands import why as why_command
from worker.commands.shown import Review, Shown, Withheld
from worker.commands.why import Why
from worker.mailbox.errors import ProtocolFault
from worker.message.mime import content
from worker.message.mime.limits import Limits


def printed(what: Shown, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `junk show` and `failed show` print of it."""
    with monkeypatch.context() as patch:
        patch.setattr(review, "open_context", lambda *_args, **_more: nullcontext())
        patch.setattr(commands, "show", lambda _context, _key: what)
        patch.setattr(why_command, "why", lambda _context, _key: Why("It is junk."))
        answers = [CliRunner().invoke(cli.commands, [group, "show", "k1"]) for group in ("junk", "failed")]
    assert [answer.exit_code for answer in answers] == [0, 0]
    assert answers[0].output == answers[1].output
    return answers[0].output


def named(charset: str, text: bytes) -> bytes:
    quoted = "".join(f"%{byte:02x}" for byte in text)
    part = f"Content-Type: text/csv; name*={charset}''{quoted}\r\n".encode() + b"X-\xff: " + text + b"\r\n"
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part + b"\r\nx\r\n--b--\r\n"


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "utf-16-be", "utf-8", "no-such"])
def test_a_name_of_lone_surrogates_is_shown(charset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (b"+2AA-", b"\xd8\x00", b"\x00\xd8", b"\xed\xa0\x80"):
        what = shown(named(charset, text))
        assert_safe(what)
        assert len(what.attachments) == 1
        assert "Attachments:" in printed(what, monkeypatch)


@pytest.mark.parametrize("hundred", range(2))
def test_hostile_messages_are_shown(hundred: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(hundred * 100, hundred * 100 + 100):
        what = shown(hostile(number))
        assert_safe(what)
        assert f"({number})" in printed(what, monkeypatch)


@given(st.sampled_from(CHARSETS), st.binary(max_size=50) | st.lists(st.sampled_from(TEXTS), max_size=3).map(b"".join))
def test_any_bytes_in_any_charset_are_shown(charset: str, text: bytes) -> None:
    what = shown(named(charset, text))
    assert_safe(what)
    tables.print_shown(what)


def test_what_no_one_foresaw_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(content, "files", broken)
    what = shown(named("utf-8", b"x"))
    assert (what.headers[0], what.attachments) == (("From", "x@evil.example"), ())
    assert "can't be parsed" in printed(what, monkeypatch)
    assert "secret" not in what.note


@pytest.mark.parametrize("how", ["refused", "garbled"])
def test_a_message_that_the_server_does_not_hand_out_is_a_finding(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead letter that nobody can fetch is the one whose content a person asks for."""
    server = Server()
    server.deliver(b"Subject: x\r\n\r\n", JUNK, refused=how == "refused")
    session: Any = server.session()
    if how == "garbled":

        def bodies(*_wanted: object, **_more: object) -> None:
            raise ProtocolFault("an answer of the mail server that can't be understood")

        monkeypatch.setattr(session, "bodies", bodies)
    with pytest.raises(Withheld, match=r"k1: .*untouched in 'Junk Email'.*mail program"):
        Review(Limits()).shown(session, record(1, server=server))


PROGRAM = """
import os, sys
from contextlib import nullcontext
from tests.unit.commands.world import shown
from worker.cli import main, review
from worker.commands import review as commands, why
review.open_context = lambda *_args, **_more: nullcontext()
why.why = lambda _context, _key: why.Why("It is junk.")
commands.show = lambda _context, key: shown("Subject: café 報告 \U0001f600\\r\\n\\r\\nNaïve text.".encode())
main.main(["junk", "show", os.fsdecode(b"k\\xff")])
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", ""])
def test_a_terminal_of_any_encoding_is_printed_to(encoding: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONUTF8", "PYTHONIO"))}
    environment = {**kept, "PYTHONIOENCODING": encoding, "LC_ALL": "C.UTF-8"}
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, env=environment, check=False)
    assert (answer.returncode, answer.stderr) == (0, b"")
    subject = "  Subject: café 報告 \U0001f600\n"
    assert (
        subject.encode(encoding.replace("ascii", "") or "utf-8", "replace") in answer.stdout
    )  # click takes ASCII for UTF-8


def test_keys_in_no_encoding_are_unknown_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that aren't UTF-8 reach the program as lone surrogates, which no database takes."""
    asked: list[object] = []
    monkeypatch.setattr(review, "open_context", lambda *_args, **_more: nullcontext())
    monkeypatch.setattr(tables, "print_shown", lambda _what: 0)
    monkeypatch.setattr(commands, "show", lambda _context, key: asked.append(key))

    def why(_context: object, key: str) -> Why:
        asked.append(key)
        return Why("It is junk.")

    monkeypatch.setattr(why_command, "why", why)

    def ask(_context: object, _kind: object, keys: tuple[str, ...], _reason: str) -> str:
        asked.append(keys)
        return "Recorded."

    monkeypatch.setattr(commands, "ask", ask)
    key = os.fsdecode(b"k\xff")
    for arguments in (["junk", "show", key], ["failed", "show", key], ["failed", "retry", key, "k2"]):
        assert cli.run(arguments) == 0
    assert cli.run(["junk", "release", key, "--reason", "x"]) == 0
    assert asked == [*["k?"] * 4, ("k?", "k2"), ("k?",)]
