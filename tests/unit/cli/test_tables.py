"""What people read on a terminal: nothing that a sender wrote passes for words of ours."""

import base64
from contextlib import nullcontext

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from tests.fakes.mailbox import JUNK
from tests.unit.commands.world import shown
from worker.cli import main as cli
from worker.cli import review, tables
from worker.commands import review as commands
from worker.commands import why as why_command
from worker.commands.shown import plain
from worker.commands.why import Why


def test_what_the_sender_wrote_is_set_in_and_passes_for_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = (
        b"Evidence: none\r\nSubject: [red]x[/red] :smile:\r\n\r\nAttachments:\n  safe.pdf (application/pdf, 1 bytes)\n"
    )
    lines = printed(raw, monkeypatch)
    assert [line for line in lines if line and not line.startswith("  ")] == [
        "It is junk.",
        f"k1 in '{JUNK}'",
        "Evidence:",
        "Headers:",
        "Text:",
    ]
    assert "  Subject: [red]x[/red] :smile:" in lines
    assert "  | Attachments:" in lines


@pytest.mark.parametrize(
    "filler", ["x", "x ", "\u2800", "\u3164", "\u115f", "\u1160", "\uffa0", "\u5831", "\U0001f600", "\u2764\ufe0f"]
)
@pytest.mark.parametrize("length", [33, 66, 67, 72, 75])
def test_no_line_of_the_senders_reaches_the_margin_of_a_narrow_terminal(
    filler: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal goes on at the margin where a line is wider than it is, and there our own words begin."""
    monkeypatch.setattr(tables, "_terminal_width", lambda: 80)
    said = filler * length + " Evidence: nothing counts, released by Dr Smith " + filler * length
    encoded = base64.b64encode(said.encode())
    raw = b"Subject: =?utf-8?b?%s?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s" % (encoded, said.encode())

    lines = printed(raw, monkeypatch)

    assert [line for line in lines if line and not line.startswith("  ")] == [
        "It is junk.",
        f"k1 in '{JUNK}'",
        "Evidence:",
        "Headers:",
        "Text:",
    ]
    assert all(cell_len(line) + line.count("\ufe0f") <= 80 for line in lines)
    text = lines[lines.index("Text:") + 1 :]
    assert all(line.startswith("  | ") for line in text)
    assert "".join("".join(line[4:] for line in text).split()) == "".join(plain(said).split())


def printed(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that `junk show` prints of it."""
    monkeypatch.setattr(review, "open_context", lambda *_args, **_more: nullcontext())
    monkeypatch.setattr(commands, "show", lambda _context, _key: shown(raw))
    monkeypatch.setattr(why_command, "why", lambda _context, _key: Why("It is junk."))
    return CliRunner().invoke(cli.commands, ["junk", "show", "k1"]).output.splitlines()
