"""What people are shown of hostile mail: plain, bounded, and nothing that a terminal obeys."""

import base64
import bz2
import time
import tracemalloc
import unicodedata
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes.mailbox import JUNK, Server
from tests.unit.commands.world import EVIDENCE, HEAD, record, shown
from worker.commands.shown import ATTACHMENTS, HEADERS, LINE, PREVIEW_LINES, NotThere, Review, Shown, Withheld, plain
from worker.journal.records import Record
from worker.mailbox.errors import FolderRefused
from worker.message.mime.limits import Limits

MB = 1_000_000


def everything(what: Shown) -> list[str]:
    """All that is printed of a message, line by line."""
    texts = [what.key, what.folder, what.note, *what.text.split("\n")]
    texts += [text for pair in what.headers for text in pair]
    return texts + [text for name, kind, _ in what.attachments for text in (name, kind)]


def assert_safe(what: Shown) -> None:
    for text in everything(what):
        assert len(text) <= LINE
        bad = {unicodedata.category(character) for character in text} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert not bad, (bad, text)
    assert len(what.headers) <= HEADERS
    assert len(what.text.split("\n")) <= PREVIEW_LINES + 1
    assert len(what.attachments) <= ATTACHMENTS


def part(content_type: str, body: bytes, name: str = "") -> bytes:
    named = f'Content-Disposition: attachment; filename="{name}"\r\n' if name else ""
    return f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n{named}\r\n".encode() + body


def multipart(*parts: bytes) -> bytes:
    body = b"".join(b"--b\r\n" + one + b"\r\n" for one in parts)
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body + b"--b--\r\n"


def b64(raw: bytes) -> bytes:
    return base64.encodebytes(raw)


ESCAPES = "\x1b[2J\x1b]0;owned\x07\x1b]8;;https://evil.example\x1b\\click\x9b31m\x08\x08\x00\r\x7f"
BIDI = "\u202egpj.exe\u2066\u200f\u061c\ufeff\u200b\U000e0041"


def hostile() -> dict[str, Callable[[], bytes]]:
    text = f"hello {ESCAPES} {BIDI} \u2028 next \u0085 \x0c end".encode()
    html = f"<img src=https://evil.example/pixel.gif><script>alert(1)</script><p>{ESCAPES}{BIDI}</p>".encode()
    bomb = zlib.compress(bytes(100 * MB), 9)
    return {
        "escapes in the text": lambda: HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text,
        "escapes in headers": lambda: (
            b"From: " + text + b"\r\nSubject: =?utf-8?b?" + base64.b64encode(text) + b"?=\r\n\x1b[31mX: y\r\n\r\nhello"
        ),
        "escapes in names": lambda: multipart(part("application/pdf", b64(b"%PDF-1.4"), ESCAPES.strip() + BIDI)),
        "encoded names": lambda: multipart(
            b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename*=utf-8''%1b%5b2J%e2%80%aex.pdf"
            b"\r\n\r\nx"
        ),
        "remote images": lambda: HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html,
        "a header of 10 MB": lambda: HEAD + b"X-Long: " + b"a" * 10 * MB + b"\r\n\r\nhello",
        "100,000 headers": lambda: HEAD + b"X-Many: y\r\n" * 100_000 + b"\r\nhello",
        "a header folded a million times": lambda: HEAD + b"X-Folded: y\r\n" + b" z\r\n" * MB + b"\r\nhello",
        "a subject of encoded words": lambda: b"Subject: " + b" =?utf-8?b?" * 50_000 + b"\r\n\r\nhello",
        "a zip bomb": lambda: multipart(part("application/zip", b64(bomb), "report.zip")),
        "a bz2 bomb": lambda: multipart(part("text/plain", b64(bz2.compress(bytes(10 * MB))), "report.txt.bz2")),
        "8 MB of text": lambda: HEAD + b"\r\n" + b"word " * 1_600_000,
        "2 MB of line ends": lambda: HEAD + b"\r\n" + b"\n" * 2 * MB,
        "nested HTML": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div><table><tr><td>" * 50_000,
        "HTML entities": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"&#x202e;&#27;" * 50_000,
        "10,000 attachments": lambda: multipart(*[part("text/plain", b64(b"x"), f"{n}.txt") for n in range(10_000)]),
        "400 attachments": lambda: multipart(*[part("text/plain", b64(b"x"), f"{n}.txt") for n in range(400)]),
        "deep nesting": lambda: (
            HEAD
            + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5_000))
        ),
        "broken MIME": lambda: HEAD + b'Content-Type: multipart/mixed; boundary="\r\n\r\n--\r\nContent-Type: a\r\n\xff',
        "no header at all": lambda: b"\r\n\r\n\x1b[2J",
        "nothing but rubbish": lambda: bytes(range(256)) * 400,
        "a charset that is none": lambda: HEAD + b"Content-Type: text/plain; charset=\x1b[2J\r\n\r\nhello",
        "marks that paint over lines": lambda: (
            HEAD.replace(b": s", b": " + ("z" + "\u0336\u0489" * 400).encode())
            + b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
            + ("a" + "\u0335" * 5000).encode()
        ),
    }


@pytest.mark.parametrize("name", hostile())
def test_nothing_leaves_the_preview_and_it_is_bounded(name: str) -> None:
    raw = hostile()[name]()
    tracemalloc.start()
    started = time.process_time()
    try:
        what = shown(raw)
        seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert_safe(what)
    assert what.evidence == EVIDENCE
    assert seconds < 15, seconds
    assert peak < 12 * len(raw) + 30 * MB, peak / len(raw)


@given(st.text() | st.text(alphabet=st.characters(categories=["Cc", "Cf", "Mn", "Me", "Zl", "Zp", "Lo"])))
@example(ESCAPES + BIDI)
@example("z" + "\u0336" * 1000)
def test_plain_text_is_one_line_that_no_terminal_obeys(text: str) -> None:
    safe = plain(text)
    assert len(safe) <= LINE
    assert safe.isprintable() or not safe
    assert plain(safe) == safe
    assert "\n" not in safe


def test_plain_text_stays_what_it_is() -> None:
    for text in ("Report 7", "Łukasz Müller", "محمد", "रिपोर्ट", "報告", "ไม่มีที่", "e\u0301"):
        assert plain(text) == text


def test_blanks_that_count_as_letters_are_spaces() -> None:
    for blank in "\u2800\u3164\u115f\u1160\uffa0":
        assert plain(f"a{blank * 80}b") == "a b"


def test_html_is_shown_as_text_and_nothing_is_fetched() -> None:
    html = b'<p>Dear <b>team</b></p><img src="https://evil.example/p.gif" alt="logo"><a href="https://evil.example">here</a>'
    text = shown(HEAD + b"Content-Type: text/html\r\n\r\n" + html).text
    assert "Dear team" in text
    assert "<" not in text
    assert "p.gif" not in text  # the rig lets no test off this machine, besides


def test_a_bomb_is_named_and_not_opened() -> None:
    what = shown(hostile()["a zip bomb"]())
    ((name, _, size),) = what.attachments
    assert name == "report.zip"
    assert size < MB


def test_what_isnt_shown_is_said() -> None:
    assert "300 more attachments" in shown(hostile()["400 attachments"]()).note
    assert "Not shown: 19,900 more headers." in shown(hostile()["100,000 headers"]()).note
    assert "limit" in shown(hostile()["10,000 attachments"]()).note
    assert "larger than" in shown(HEAD + b"\r\n" + b"x" * 5_000, Limits(message=1_000)).note
    assert shown(hostile()["8 MB of text"]()).text.endswith("…")


def test_a_message_that_is_no_longer_there_is_said_to_be_so() -> None:
    server = Server()
    session: Any = server.session()
    with pytest.raises(NotThere, match="moved or deleted"):
        Review(Limits()).shown(session, record(1, server=server))


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_that_is_refused_is_no_message_that_is_gone(is_there: bool) -> None:
    server = Server()
    server.deliver(b"Subject: x\r\n\r\n", JUNK)
    server.refusing.add(("select", None))
    session: Any = server.session()
    wanted = record(1, server=server)
    if not is_there:
        del server.folders[JUNK]
    with pytest.raises(Withheld if is_there else NotThere):
        Review(Limits()).shown(session, wanted)


# -- lists


def listed_world(count: int) -> tuple[Server, list[Record]]:
    server = Server()
    for number in range(count):
        server.deliver(f"From: a{number % 10}@x.example\r\nSubject: s{number}\r\n\r\n".encode(), JUNK)
    return server, [record(number + 1, server=server) for number in reversed(range(count))]


def test_a_list_reads_no_more_of_the_mailbox_than_it_needs() -> None:
    server, records = listed_world(1_000)
    commands: list[str] = []
    server.before = commands.append
    session: Any = server.session()

    found = Review(Limits()).listed(session, records, sender="A3@X")
    first = [next(found) for _ in range(5)]

    assert [one.subject for one in first] == ["s993", "s983", "s973", "s963", "s953"]
    assert commands.count("heads") == 1
    assert len(list(found)) == 95
    assert commands.count("heads") == 10


def test_a_list_shows_the_others_where_the_server_refuses_one_header() -> None:
    server, records = listed_world(5)
    server.all_mail(JUNK)[2].veiled = True
    session: Any = server.session()
    found = list(Review(Limits()).listed(session, records))
    assert [one.sender is None for one in found] == [False, False, True, False, False]
    for one in server.all_mail(JUNK):
        one.veiled = True
    assert len(list(Review(Limits()).listed(session, records))) == 5


@pytest.mark.parametrize("sought", [{"sender": "a1"}, {"subject": "s1"}])
def test_what_is_in_a_folder_that_is_not_opened_now_is_listed_but_not_taken_for_what_does_not_fit(
    sought: dict[str, str],
) -> None:
    server, records = listed_world(3)
    server.closed[JUNK] = FolderRefused
    session: Any = server.session()
    assert [one.sender for one in Review(Limits()).listed(session, records)] == [None] * 3
    with pytest.raises(FolderRefused):
        list(Review(Limits()).listed(session, records, **sought))
    del server.folders[JUNK]
    assert list(Review(Limits()).listed(session, records, **sought)) == []


def test_a_list_names_what_is_gone_and_marks_known_senders() -> None:
    server, records = listed_world(3)
    server.delete(server.all_mail(JUNK)[0])
    session: Any = server.session()
    one, two, three = Review(Limits()).listed(session, records, known={"k2"})
    assert [item.sender for item in (one, two, three)] == ["a2@x.example", "a1@x.example", None]
    assert [item.known for item in (one, two, three)] == [False, True, False]
    assert one.reason == "placement junk-folder"
