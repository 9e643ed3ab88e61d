"""What people read on a terminal: nothing that a sender wrote passes for words of ours."""

import base64
from contextlib import nullcontext
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from tests.fakes.mailbox import JUNK
from tests.unit.commands.world import shown
from tests.unit.observe import views
from worker.cli import main as cli
from worker.cli import review, tables
from worker.commands import review as commands
from worker.commands import why as why_command
from worker.commands.shown import plain
from worker.commands.why import Why
from worker.login.expiry import Thing
from worker.observe.view import ExpiryView, StatusView, status_json


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


def said(view: StatusView, capsys: pytest.CaptureFixture[str]) -> str:
    tables.print_status(status_json(view))
    return " ".join(capsys.readouterr().out.split())


def test_a_pause_says_who_and_why_and_what_has_come(capsys: pytest.CaptureFixture[str]) -> None:
    pause = replace(views.FORGOTTEN.pause, reason="[red]new archive[/red]")
    text = said(replace(views.FORGOTTEN, pause=pause), capsys)
    assert "paused: by ann@pathology-3 since 2026-11-22T12:05:10.000Z ([red]new archive[/red])" in text
    assert "until `nhsmail-worker resume`; come since the last poll: 1204, as of 2026-11-23T14:04:30.000Z" in text
    assert "by a person since an unknown time: nothing is handed over" in said(views.PAUSED, capsys)
    assert "until `nhsmail-worker journal rebuild`" in said(views.HALF_REBUILT, capsys)


def test_a_handler_whose_mail_waits_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "handler database: not called since 2026-11-23T13:55:10.000Z, as it can't be started yet" in said(
        views.NOT_BUILT, capsys
    )
    assert "as it keeps failing; it is tried again" in said(views.BACKLOG, capsys)


def test_each_thing_that_expires_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(views.BACKLOG, capsys)
    assert "password: changed" in text
    assert "client secret: expires 2026-12-05T14:05:10.000Z (12 days left)" in text
    used = "last used 2026-11-20T14:05:10.000Z, expires 2027-02-18T14:05:10.000Z (87 days left)"
    assert f"sign-in: {used}" in text
    unknown = replace(views.WORKING, expiries=(ExpiryView(thing=Thing.CLIENT_SECRET),))
    assert "client secret: when it ends is not known. Set `[account.oauth] secret_expires`" in said(unknown, capsys)


def test_how_full_the_mailbox_is_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "mailbox: how full it is isn't known yet" in said(views.WORKING, capsys)
    estimate = "mailbox: filling: 3.31 GB of 4.00 GB, 82 % (an estimate, 2026-11-23T12:05:10.000Z); full in 23 day(s)"
    assert estimate in said(views.FILLING, capsys)
    assert "mailbox: full: 52.4 MB of 52.4 MB, 100 % (by the server's quota" in said(views.FULL, capsys)
