"""`route explain` and `check`: which route takes a message and why; which can never match."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.hostile import hostile
from tests.rig.messages import UNPARSABLE, eml
from worker.cli import main as cli
from worker.message.mime.headers import MAX_HEADER_BYTES

ROUTES = """
[account]
address = "pathology.results@nhs.net"
host = "mail.example"
password_file = "there-is-none"
[state]
dir = "never-made"
[[route]]
name = "pathology"
match = { from = "*@lab.example.org", attachment = "*.pdf" }
handlers = ["archive", "no-such-handler"]
[[route]]
name = "letters"
match = { subject = "Letter*" }
handlers = ["letters:take"]
[[route]]
name = "everything-else"
handlers = ["archive"]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NHSMAIL_CONFIG", raising=False)
    (tmp_path / "worker.toml").write_text(ROUTES)
    (tmp_path / "mail.eml").write_bytes(eml())
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    code = cli.run(["route", "explain", "mail.eml", "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def test_each_rule_is_told_and_nothing_of_the_message(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["route", "explain", "mail.eml"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines() == [
        "Path: clean",
        "",
        "Rules, in order:",
        "  pathology: takes it (from yes, attachment yes)",
        "  letters: doesn't match (subject no)",
        "  everything-else: would match (no condition)",
        "",
        "It goes to archive, no-such-handler, by route 'pathology'.",
        "Each handler gets it once the one before has returned.",
    ]
    for word in ("Report", "results@", "report.pdf", "Laboratory"):
        assert word not in said


def test_a_handler_that_is_nowhere_is_told_beside_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which route takes the message is known all the same; no handler is imported for it."""
    for more in ([], ["--json"]):
        assert cli.run(["route", "explain", "mail.eml", *more]) == 0
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith(
            "The worker doesn't start with this configuration: [handler.no-such-handler]: there is no handler"
        )
    (place / "mail.eml").write_bytes(eml(attachments={}))
    cli.run(["route", "explain", "mail.eml"])
    assert capsys.readouterr().err == ""


def test_nothing_is_written_and_no_secret_is_needed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    code, found = explained(capsys)
    assert (code, found["comes_to"], found["routes"], found["handlers"]) == (
        0,
        "handlers",
        ["pathology"],
        ["archive", "no-such-handler"],
    )
    assert found["rules"][0] == {
        "route": "pathology",
        "matched": True,
        "takes": True,
        "handlers": ["archive", "no-such-handler"],
        "conditions": [{"condition": "from", "holds": True}, {"condition": "attachment", "holds": True}],
    }
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def test_the_verdict_has_its_evidence(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spam = b"X-Forefront-Antispam-Report: SFV:SPM;SCL:6;CAT:SPM\r\n" + eml()
    (place / "mail.eml").write_bytes(spam)
    code, found = explained(capsys)
    assert (code, found["path"], found["routes"], found["handlers"]) == (0, "junk", ["junk"], ["quarantine"])
    assert any(piece["counts"] and piece["source"] == "exchange" for piece in found["evidence"])
    (place / "worker.toml").write_text(ROUTES + "[junk]\nsources = []\n")
    code, found = explained(capsys)
    assert (code, found["path"]) == (0, "clean")
    assert found["evidence"]
    assert not any(piece["counts"] for piece in found["evidence"])


def test_mail_in_the_junk_folder_is_junk(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explained(capsys, "--folder", "junk email")[1]["path"] == "junk"
    assert explained(capsys, "--folder", "INBOX.Junk")[1]["path"] == "junk"
    assert explained(capsys, "--folder", "Results")[1]["path"] == "clean"
    (place / "worker.toml").write_text(ROUTES + '[junk]\nfolder = "Results"\n')
    assert explained(capsys, "--folder", "Results")[1]["path"] == "junk"
    assert explained(capsys, "--folder", "Junk Email")[1]["path"] == "clean"


def test_what_cant_be_read_ends_at_the_first_rule_that_must(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "mail.eml").write_bytes(UNPARSABLE.replace(b"a@b.c", b"results@lab.example.org"))
    code, found = explained(capsys)
    assert (code, found["comes_to"], found["reason"]) == (1, "dead-letter", "unparsed:MessageOverLimit:parts")
    assert (found["routes"], found["handlers"]) == ([], [])
    assert [(rule["matched"], rule["takes"]) for rule in found["rules"]] == [
        (None, False),
        (False, False),
        (True, False),
    ]
    assert cli.run(["route", "explain", "mail.eml"]) == 1
    assert "dead letter (unparsed:MessageOverLimit:parts)" in capsys.readouterr().out


def test_what_cant_be_read_may_go_by_its_headers(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "mail.eml").write_bytes(UNPARSABLE)
    code, found = explained(capsys)
    assert (code, found["routes"], found["unreadable"]) == (0, ["everything-else"], "MessageOverLimit:parts")
    cli.run(["route", "explain", "mail.eml"])
    assert "If a handler asks for its text or its attachments, it becomes a dead letter." in capsys.readouterr().out


@pytest.mark.parametrize("limit", ["1MB", "10MB"])
def test_headers_without_end_are_over_their_limit(place: Path, capsys: pytest.CaptureFixture[str], limit: str) -> None:
    (place / "worker.toml").write_text(ROUTES + f'[limits]\nheader_bytes = "{limit}"\n')
    (place / "mail.eml").write_bytes(b"X-Long: " + b"x" * MAX_HEADER_BYTES + b"\r\n" + eml())
    code, found = explained(capsys)
    assert (code, found["comes_to"], found["reason"]) == (1, "dead-letter", "unparsed:MessageOverLimit:header_bytes")
    assert not any(rule["takes"] for rule in found["rules"])


def test_a_message_that_is_too_large_comes_to_no_rule(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = '[limits]\nmessage = "2kB"\nheader_bytes = "1kB"\nattachment = "1kB"\n'
    (place / "worker.toml").write_text(ROUTES + limits)
    (place / "mail.eml").write_bytes(eml(text="x\n" * 2_000))
    code, found = explained(capsys)
    assert (code, found["comes_to"], found["reason"]) == (1, "dead-letter", "oversize")
    assert not any(rule["takes"] for rule in found["rules"])
    assert cli.run(["route", "explain", "mail.eml"]) == 1
    assert "never fetches it" in capsys.readouterr().out


def test_a_stand_in_is_for_later(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "mail.eml").write_bytes(
        b"From: Microsoft Exchange Server\r\nSubject: Retrieval using the IMAP4 protocol failed for the following "
        b"message: 7\r\n\r\nThe server couldn't retrieve the following message:\r\n"
    )
    code, found = explained(capsys)
    assert (code, found["comes_to"], found["reason"]) == (0, "later", "stand-in:retrieval-failed")
    assert cli.run(["route", "explain", "mail.eml"]) == 0
    assert "the file is a placeholder" in capsys.readouterr().out


def test_rules_that_go_on_are_all_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "worker.toml").write_text(ROUTES.replace('handlers = ["arc', 'continue = true\nhandlers = ["arc', 1))
    code, found = explained(capsys)
    assert (code, found["routes"], found["handlers"]) == (
        0,
        ["pathology", "everything-else"],
        ["archive", "no-such-handler"],
    )
    cli.run(["route", "explain", "mail.eml"])
    assert "by routes 'pathology' and 'everything-else'." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "Outlook's own format"),
        (b"", "has no headers"),
        (b"%PDF-1.7\n", "has no headers"),
    ],
)
@pytest.mark.parametrize("command", [["route", "explain"], ["handler", "try", "quarantine"]])
def test_a_file_that_is_no_message(
    place: Path, capsys: pytest.CaptureFixture[str], command: list[str], content: bytes, says: str
) -> None:
    (place / "mail.eml").write_bytes(content)
    assert cli.run([*command, "mail.eml"]) == 64
    assert says in capsys.readouterr().err
    assert cli.run([*command, "missing.eml"]) == 64
    assert "missing.eml" in capsys.readouterr().err


def test_a_file_that_cant_be_read(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def broken(path: Path) -> bytes:
        if path.suffix == ".eml":
            raise OSError(5, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", broken)
    assert cli.run(["route", "explain", "mail.eml"]) == 64
    assert "mail.eml can't be read: Input/output error." in capsys.readouterr().err


@pytest.mark.parametrize("command", [["route", "explain", "mail.eml"], ["handler", "try", "quarantine", "mail.eml"]])
def test_every_fault_of_the_configuration(place: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    (place / "worker.toml").write_text(ROUTES + "[poll]\nevery = 7\n[junk]\nscll = 3\n")
    assert cli.run(command) == 78
    said = capsys.readouterr().err
    assert "2 faults" in said
    assert "[poll] every" in said
    assert "The nearest is [junk] scl" in said
    assert cli.run([*command, "--config", "nowhere.toml"]) == 78
    assert "nowhere.toml" in capsys.readouterr().err


def test_check_names_the_routes_that_can_never_match(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "password").write_text("Correct-Horse-7\n")
    (place / "password").chmod(0o600)
    routes = """
[[route]]
name = "all-of-the-lab"
match = { from = "*@lab.example.org" }
handlers = ["quarantine"]
[[route]]
name = "chemistry"
match = { from = "chemistry@lab.example.org", subject = "Result*" }
handlers = ["quarantine"]
[[route]]
name = "spam"
match = { path = "junk" }
handlers = ["quarantine"]
[[route]]
name = "rest"
handlers = ["quarantine"]
"""
    head = ROUTES.partition("[[route]]")[0].replace("there-is-none", "password")
    (place / "worker.toml").write_text(head.replace("never-made", str(place / "state")) + "ephemeral = true\n" + routes)
    assert cli.run(["check"]) == 0
    said = capsys.readouterr().out
    assert "Route 'chemistry' can never match: all-of-the-lab, before it, takes every message that it could." in said
    assert "Route 'spam' can never match: rules see clean mail only" in said
    assert "Route 'all-of-the-lab' can never" not in said
    assert "Route 'rest' can never" not in said


def test_hostile_messages_are_explained(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(50):
        (place / "mail.eml").write_bytes(hostile(number))
        code, found = explained(capsys)
        assert (code, len(found["rules"])) == (0, 1 if found["path"] == "junk" else 3)
