"""What the doctor prints: lines that fit, commands that can be copied, and nothing lost on the way."""

import pytest
from hypothesis import given

from tests.unit.commands.doctor.test_steps import FOUND
from worker.cli.doctor import WIDTH, print_report
from worker.commands.doctor.steps import Report, in_order, ok, wrong

LONG = "Set-CASMailbox -Identity pathology.results@nhs.net " + "-ImapEnabled $true " * 9


def printed(report: Report, capsys: pytest.CaptureFixture[str]) -> str:
    print_report(report)
    return capsys.readouterr().out


def test_a_command_is_never_broken(capsys: pytest.CaptureFixture[str]) -> None:
    step = wrong("login", "IMAP is off. " * 30, who="your Local Administrator", do="Type", exactly=(LONG,))
    text = printed(Report("a@nhs.net", "oauth2-client", "host", 993, in_order([step], has_tokens=True)), capsys)
    lines = text.splitlines()
    assert LONG in [line.strip() + " " for line in lines]
    assert max(len(line) for line in lines if "Set-CASMailbox" not in line) <= WIDTH
    assert "Who mends it: your Local Administrator." in text
    assert "What to do: Type." in text
    assert lines[-1] == "This is wrong: login."


def test_when_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(Report("a@nhs.net", "password", "host", 993, (ok("mail-dns", "there"),)), capsys)
    assert text.splitlines()[-1].startswith("All is well")
    assert "not looked at" not in text


@given(found=FOUND)
def test_every_step_is_named(found: list[object]) -> None:
    from click.testing import CliRunner

    report = Report("a@nhs.net", "oauth2-client", "host", 993, in_order(found, has_tokens=True))  # type: ignore[arg-type]
    with CliRunner().isolation() as (out, *_):
        print_report(report)
        text = out.getvalue().decode()
    assert [step.name for step in report.steps if step.name not in text] == []
