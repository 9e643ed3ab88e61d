"""What `check` finds of a password before any attempt, without a connection and without a trace in the journal."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from worker.commands.check import check
from worker.commands.context import Context
from worker.commands.login_findings import login_findings
from worker.journal.attempts import AttemptLedger
from worker.journal.store import Journal
from worker.login.fingerprint import Fingerprinter
from worker.settings import load

ADDRESS = "pathology.results@nhs.net"
GOOD = "Bright-Harbour-92"
EXCHANGE = "outlook.office365.com"
OAUTH = '[account.oauth]\ntenant = "t"\nclient_id = "c"\n'


def context(folder: Path, password: str = GOOD, account: str = 'host = "mail.example"', tables: str = "") -> Context:
    (folder / "worker.toml").write_text(
        f'[account]\naddress = "{ADDRESS}"\npassword_file = "{folder}/password"\n{account}\n{tables}'
        f'[state]\ndir = "{folder}/state"\nephemeral = true\n[[route]]\nname = "all"\nhandlers = ["quarantine"]\n'
    )
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text(password)
    return Context(load(folder / "worker.toml", {}, []))


def found(folder: Path, *given: str, **named: str) -> list[str]:
    with context(folder, *given, **named) as opened:
        return login_findings(opened)


def test_a_password_at_another_server_is_no_finding(tmp_path: Path) -> None:
    assert found(tmp_path) == []
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "host", ["", f'host = "{EXCHANGE}"', 'host = "IMAP-mail.Outlook.com."', 'host = "imap.nhs.net"']
)
def test_a_password_at_exchange_online_is_one(tmp_path: Path, host: str) -> None:
    with context(tmp_path, account=host) as opened:
        checked = check(opened)
        assert checked.finding
        (line,) = checked.lines[1:]
    assert '[account] has auth = "password" at ' in line
    assert "since May 2023" in line
    assert line.endswith("add the line: allow_password = true")
    assert found(tmp_path, account=f"{host}\nallow_password = true") == []


@pytest.mark.parametrize("auth", ["oauth2-password", "oauth2-device"])
def test_oauth_there_is_none(tmp_path: Path, auth: str) -> None:
    assert found(tmp_path, account=f'auth = "{auth}"', tables=OAUTH) == []


@pytest.mark.parametrize("account", ['host = "mail.example"', f'auth = "oauth2-password"\n{OAUTH}'])
def test_a_password_that_breaks_the_policy_is_one(tmp_path: Path, account: str) -> None:
    (line,) = found(tmp_path, "correcthorsebattery", account)
    assert line.startswith(
        "The password breaks the password policy, so it can't be right: it has fewer than three of the four"
    )
    assert '(policy "nhsmail"; it would pass under "nhsmail-2019")' in line
    assert "correcthorse" not in line
    assert found(tmp_path, "correcthorsebattery", account, '[password]\npolicy = "nhsmail-2019"\n') == []


def test_the_owners_names_come_from_the_settings(tmp_path: Path) -> None:
    policy = '[password]\npolicy = "nhsmail-2019"\nowner_names = ["Jane", " Battery "]\n'
    (line,) = found(tmp_path, "correcthorsebattery", tables=policy)
    assert "it contains the owner's first or last name" in line
    assert "Battery" not in line
    assert found(tmp_path, "correcthorsestable", tables=policy) == []


def test_a_browser_sign_in_has_no_password_to_look_at(tmp_path: Path) -> None:
    assert found(tmp_path, "short", account='auth = "oauth2-device"', tables=OAUTH) == []


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal in which two passwords were accepted, one after the other."""
    folder = tmp_path_factory.mktemp("written")
    with closing(Journal(folder / "state", None, lambda: 1.0)) as own:
        own.open(ADDRESS)
        ledger = AttemptLedger(own.database)
        maker = Fingerprinter(ledger.salt())
        for at, password in enumerate(("Former-Harbour-91", GOOD), 1):
            known = maker.of("password", password)
            ledger.saw(known, float(at), password=True, way="password")
            number = ledger.begin(
                after=ledger.history().head, floor=0, epoch="e", kind="password", credential=known, actor="a",
                at=float(at), jitter=0.0, note="password",
            )  # fmt: skip
            ledger.finish(number, outcome="succeeded", counts=False, retry_after=None, said="", at=float(at))
    return folder / "state"


@pytest.fixture
def journal(written: Path, tmp_path: Path) -> Path:
    """A copy of that journal."""
    shutil.copytree(written, tmp_path / "state")
    return tmp_path


def test_a_previous_password_is_one_where_the_journal_is_there(journal: Path) -> None:
    (line,) = found(journal, "Former-Harbour-91")
    assert 'it is one of the four previous passwords (policy "nhsmail"; only "off" would pass it)' in line
    assert found(journal, GOOD) == []
    assert found(journal, "Another-Harbour-93") == []


@pytest.mark.parametrize("trouble", ["another account's", "newer", "older", "damaged"])
def test_a_journal_of_no_use_keeps_nothing_else_from_being_said(journal: Path, trouble: str) -> None:
    with closing(Journal(journal / "state", None, lambda: 1.0)) as own, own.database.write() as connection:
        match trouble:
            case "another account's":
                other = text("UPDATE fact SET value = 'another@nhs.net' WHERE value = :own")
                connection.execute(other, {"own": ADDRESS})
            case "newer" | "older":
                number = "9999" if trouble == "newer" else "0001"
                connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
    path = journal / "state" / "journal.sqlite"
    if trouble == "damaged":
        path.write_bytes(b"no journal" * 1000)
    before = path.read_bytes()
    assert found(journal, "Former-Harbour-91") == []
    (line,) = found(journal, "short")
    assert "shorter than 8" in line
    assert path.read_bytes() == before
