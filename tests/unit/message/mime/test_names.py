"""Safe file names: whatever the sender chose, it can be written to."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.message.mime.names import Names, safe_name

HOSTILE = st.text() | st.text(alphabet="a./\\:\u202e\x00 CONul1²~-é\u200d", max_size=300)


@given(st.lists(HOSTILE, max_size=20))
def test_every_name_can_be_written(names: list[str]) -> None:
    given_names = Names()
    safe = [given_names.safe(name, "application/pdf") for name in names]
    folded = {unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()) for name in safe}
    assert len(folded) == len(safe)
    for name in safe:
        assert 0 < len(name.encode()) <= 255
        assert not set(name) & set('/\\<>:"|?*')
        assert not any(unicodedata.category(c)[0] == "C" for c in name)
        assert not name.startswith(".")
        assert not name.endswith((".", " "))
        assert name.split(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT²", "CONIN$"}


@pytest.mark.parametrize(
    ("sent", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\report.pdf", "report.pdf"),
        ("..", ""),
        ("/", ""),
        ("...", ""),
        (".htaccess", "_htaccess"),
        ("NUL", "_NUL"),
        ("com1.txt", "_com1.txt"),
        ("con .txt", "_con.txt"),
        ("console.txt", "console.txt"),
        ("LPT²", "_LPT²"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("a\r\nb\x00.txt", "ab.txt"),
        ("report.pdf. . ", "report.pdf"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
        ("e\u0301.pdf", "é.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("é" * 200 + ".pdf", "é" * 125 + ".pdf"),
        ("report." + "x" * 300, "report." + "x" * 248),
        ("\ud800.txt", "_txt"),
    ],
)
def test_what_becomes_of_a_name(sent: str, safe: str) -> None:
    assert safe_name(sent) == safe


def test_names_never_collide() -> None:
    names = Names()
    sent = ["r.pdf", "R.PDF", "r.pdf", "ｒ.pdf", None, None, "r-2.pdf", "x" * 300, "x" * 300]
    safe = [names.safe(name, "message/rfc822") for name in sent]
    assert safe[:7] == ["r.pdf", "R-2.PDF", "r-3.pdf", "ｒ-4.pdf", "part-5.eml", "part-6.eml", "r-2-2.pdf"]
    assert safe[7:] == ["x" * 255, "x" * 253 + "-2"]


@pytest.mark.parametrize(
    ("content_type", "name"),
    [("image/png", "part-1.png"), ("text/calendar", "part-1.ics"), ("application/x-nothing", "part-1.bin")],
)
def test_an_unnamed_part_is_named_by_its_type(content_type: str, name: str) -> None:
    assert Names().safe(None, content_type) == name
