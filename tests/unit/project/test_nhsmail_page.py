"""docs/nhsmail.md: its configurations are good ones, its commands exist, and its certificate is one that we can use."""

import os
import re
import subprocess
from pathlib import Path
from typing import get_args

import click
import pytest
import yaml  # type: ignore[import-untyped]  # it comes without types
from click.testing import CliRunner

from worker.cli.main import commands
from worker.commands.exits import ExitCode
from worker.login.registration import OAuthConfig
from worker.settings.account_settings import AccountSettings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "nhsmail.md").read_text()
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ACCOUNTS = [block for block in BLOCKS if block.startswith("[account]")]
(REST,) = (block for block in BLOCKS if not block.startswith("[account]"))
COMMANDS = sorted(
    {
        " ".join(found.split())
        for found in re.findall(r"(?:^    |`)nhsmail-worker ([a-z][^`#\n]*)", PAGE, re.MULTILINE)
        if not found.startswith("pathology")
    }
)
SHELL = [line.strip() for line in PAGE.splitlines() if line.startswith("    ")]
CMDLETS = {
    "Add-RecipientPermission": {"Identity", "Trustee", "AccessRights"},
    "Add-MailboxPermission": {"Identity", "User", "AccessRights", "AutoMapping"},
    "Connect-ExchangeOnline": {"UserPrincipalName", "DisableWAM"},
    "Connect-MgGraph": {"Scopes"},
    "Disconnect-ExchangeOnline": {"Confirm"},
    "Disconnect-MgGraph": set(),
    "Format-List": set(),
    "Format-Table": set(),
    "Get-CASMailbox": {"Identity"},
    "Get-MailboxPermission": {"Identity", "User"},
    "Get-MgServicePrincipal": {"Filter"},
    "Get-RecipientPermission": {"Identity", "Trustee"},
    "Get-ServicePrincipal": {"Identity"},
    "Install-Module": {"Name", "Scope"},
    "New-ServicePrincipal": {"AppId", "ObjectId", "DisplayName"},
    "Remove-ServicePrincipal": {"Identity"},
    "Set-CASMailbox": {
        "Identity",
        "ImapEnabled",
        "ImapUseProtocolDefaults",
        "ImapSuppressReadReceipt",
        "SmtpClientAuthenticationDisabled",
    },
    "Set-ExecutionPolicy": {"ExecutionPolicy", "Scope"},
}
"""The cmdlets, with those parameters of Microsoft's reference that the page uses."""


INSTALL = "sudo install -o nhsmail-worker -g nhsmail-worker -m 0400 "


def without_root(line: str, folder: Path) -> str:
    """The same line for whoever runs the tests, whose worker's files are in this folder."""
    return line.replace(INSTALL, "install -m 0400 ").replace("sudo ", "").replace("/etc/nhsmail-worker", str(folder))


def run(script: list[str], folder: Path, said: str = "") -> str:
    """Type these lines at home in this folder, and this where one of them reads. Returns what they say."""
    return subprocess.run(
        ["/bin/bash", "-euc", "\n".join(script)],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        input=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's key and certificate, made by the page's own commands."""
    folder = tmp_path_factory.mktemp("certificate")
    begin = SHELL.index('cd "$(mktemp -d)"')
    lines = SHELL[begin : 1 + next(at for at in range(begin, len(SHELL)) if SHELL[at].startswith("openssl x509 "))]
    assert any(line.startswith(INSTALL) for line in lines)
    said = run([without_root(line, folder) for line in lines] + ["ls"], folder)
    assert "notAfter=" in said
    assert "ingerprint=" in said
    assert said.splitlines()[-1] == "certificate.pem"  # no key is left behind
    return folder / "application.pem"


def test_the_certificate_of_the_page_is_one_that_the_worker_can_use(certificate: Path) -> None:
    assert certificate.stat().st_mode & 0o077 == 0
    given, _ = OAuthConfig("t", "c", certificate_file=certificate).secret()
    assert "BEGIN CERTIFICATE" in given["public_certificate"]
    handed_in = (certificate.parent / "nhsmail-worker-certificate.pem").read_text()
    assert "BEGIN CERTIFICATE" in handed_in
    assert "PRIVATE KEY" not in handed_in


def test_the_request_for_an_authority_is_one(tmp_path: Path) -> None:
    (request,) = (line for line in SHELL if line.startswith("openssl req -new "))
    run([request], tmp_path)
    assert "BEGIN CERTIFICATE REQUEST" in (tmp_path / "request.pem").read_text()
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0


def test_a_secret_is_kept_as_it_was_typed_and_isnt_shown(tmp_path: Path) -> None:
    begin = SHELL.index("IFS= read -rs secret")
    lines = SHELL[begin : 1 + next(at for at in range(begin, len(SHELL)) if SHELL[at].startswith("sudo stat "))]
    secret = r"a\b c$d'e~8Q "
    said = run([without_root(line, tmp_path) for line in lines], tmp_path, said=f"{secret}\n")
    assert said.split()[1:] == ["400", str(len(secret))]
    assert (tmp_path / "client-secret").read_text() == secret


@pytest.mark.parametrize("account", ACCOUNTS, ids=range(1, len(ACCOUNTS) + 1))
def test_each_configuration_is_a_good_one(tmp_path: Path, certificate: Path, account: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    for name, text in (
        ("client-secret", "a-secret-of-the-application"),
        ("password", "Correct-Horse-Battery-7-Staple"),
        ("application.pem", certificate.read_text()),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o400)
    text = f"{account}\n{REST}".replace("/etc/nhsmail-worker", str(tmp_path)).replace(
        "/var/lib/nhsmail-worker", str(state)
    )
    file = tmp_path / "worker.toml"
    file.write_text(text.replace("[state]\n", "[state]\nephemeral = true\n"))
    checked = CliRunner().invoke(commands, ["check", "--config", str(file)], standalone_mode=False)
    assert checked.return_value == ExitCode.DONE, f"{checked.output}{checked.exception}"


def test_each_flow_has_a_configuration_and_a_row_of_the_table() -> None:
    flows = {flow for flow in get_args(AccountSettings.model_fields["auth"].annotation) if flow != "password"}
    assert {re.findall(r'^auth = "([^"]+)"', account, re.MULTILINE)[0] for account in ACCOUNTS} == flows
    table = PAGE.partition("## Choose the flow\n")[2].partition("\n## ")[0]
    assert flows <= set(re.findall(r"^\| \*\*`([^`]+)`", table, re.MULTILINE))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_and_each_of_its_options_exists(command: str) -> None:
    found: click.Command = commands
    words = command.split()
    while isinstance(found, click.Group):
        assert words[0] in found.commands, command
        found = found.commands[words.pop(0)]
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_each_cmdlet_is_written_with_parameters_that_it_has() -> None:
    blocks = re.findall(r"^```powershell\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    used = [part for block in blocks for line in block.splitlines() for part in re.split(r" \| | = ", line)]
    calls = [part for part in used if not part.startswith("$")]
    assert calls
    for call in calls:
        cmdlet, _, rest = call.partition(" ")
        assert cmdlet in CMDLETS, call
        given = re.findall(r"(?:^| )-([A-Za-z]+)(?=[ :]|$)", re.sub(r'"[^"]*"', "", rest))
        assert set(given) <= CMDLETS[cmdlet], call


def test_what_is_changed_in_exchange_is_shown_afterwards() -> None:
    """Each step can be seen to have worked: what one cmdlet sets, the next one shows."""
    shows = {
        "Set-CASMailbox": "Get-CASMailbox",
        "Add-MailboxPermission": "Get-MailboxPermission",
        "Add-RecipientPermission": "Get-RecipientPermission",
        "New-ServicePrincipal": "Get-ServicePrincipal",
    }
    for change, show in shows.items():
        after = PAGE.partition(f"\n{change} ")[2]
        assert show in after, change


SAID = (
    *("The configuration is sound: ", "Logged in.", "Missing folders: "),
    "Signed in. The worker uses the sign-in at its next poll.",
    "To sign in, open this address in any browser:",
    "All is well: the worker can sign in, and the mailbox has what it needs.",
    *("would come to", ". Nothing was handed over, recorded or moved.", "running as "),
    "Every message is accounted for.",
)
"""What the worker's commands say, by which one sees that they have worked."""


@pytest.mark.parametrize("words", SAID)
def test_the_words_by_which_success_is_seen_are_the_workers(words: str) -> None:
    assert words in PAGE
    sources = (path.read_text() for path in (ROOT / "worker").rglob("*.py"))
    assert any(words in source for source in sources)


def test_the_page_is_in_the_navigation_and_in_the_readme() -> None:
    assert "nhsmail.md" in str(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert "(docs/nhsmail.md)" in (ROOT / "README.md").read_text()
    assert "(nhsmail.md)" in (ROOT / "docs" / "index.md").read_text()
