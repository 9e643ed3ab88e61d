"""Which secrets `check` says handlers can read: in the environment beside processes of the same user, and in files."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.commands.exposure import exposure_findings
from worker.settings import Settings
from worker.settings.load import load

PASSWORD = "Bright-Harbour-92"
HANDLERS: dict[str, tuple[str, bool]] = {
    "within": ('[handler.within]\nuse = "quarantine"\n', False),
    "apart": ('[handler.apart]\nuse = "quarantine"\nisolate = true\n', True),
    "other": ('[handler.other]\nuse = "quarantine"\nisolate = { user = "games" }\n', False),
    "program": ('[handler.program]\nuse = "command"\ncommand = ["true"]\n', True),
    "program-apart": ('[handler.program-apart]\nuse = "command"\ncommand = ["true"]\nisolate = true\n', True),
    "program-other": ('[handler.program-other]\nuse = "command"\ncommand = ["true"]\nisolate.user = "games"\n', False),
}
"""Handlers, and whether each has processes of the worker's user."""
SECRETS = {
    "NHSMAIL_ACCOUNT__PASSWORD": PASSWORD,
    "NHSMAIL_HEALTH__TOKEN": "a-token-of-more-than-16",
    "NHSMAIL_STATE__JOURNAL": "postgresql+psycopg://worker:Bright-Harbour-92@db/journal",
    "NHSMAIL_HANDLER__HOOK__BEARER_TOKEN": "a-token-of-more-than-16",
    "AWS_SECRET_ACCESS_KEY": "Bright-Harbour-92",
    "https_proxy": "http://worker:Bright-Harbour-92@proxy:3128",
}
PLAIN = {
    "NHSMAIL_POLL__EVERY": "60s",
    "NHSMAIL_HANDLER__HOOK__CONCURRENCY": "2",
    "https_proxy": "http://proxy:3128",
    "PATH": "/usr/bin",
}


def configured(folder: Path, tables: str, environ: dict[str, str], *, password: str = "password") -> Settings:
    file = folder / "password"
    file.write_text(PASSWORD)
    file.chmod(0o600)
    text = (
        f'[account]\naddress = "pathology.results@nhs.net"\npassword_file = "{folder / password}"\n'
        '[[route]]\nname = "all"\nhandlers = ["quarantine"]\n'
        '[handler.hook]\nuse = "webhook"\nurl = "https://example.nhs.uk"\n'
    )
    (folder / "worker.toml").write_text(text + tables)
    return load(folder / "worker.toml", environ, [])


@given(
    names=st.sets(st.sampled_from(sorted(HANDLERS))),
    secrets=st.sets(st.sampled_from(sorted(SECRETS))),
    plain=st.sets(st.sampled_from(sorted(PLAIN))),
)
def test_a_secret_in_the_environment_beside_a_process_of_the_same_user_is_found(
    names: set[str], secrets: set[str], plain: set[str]
) -> None:
    environ = {name: PLAIN[name] for name in plain} | {name: SECRETS[name] for name in secrets}
    beside = {name for name in names if HANDLERS[name][1]}
    with tempfile.TemporaryDirectory() as folder:
        settings = configured(Path(folder), "".join(HANDLERS[name][0] for name in sorted(names)), environ)
        findings = exposure_findings(settings, environ)
    assert len(findings) == (1 if secrets and beside else 0)
    for finding in findings:
        assert {name for name in SECRETS if name in finding} == secrets
        assert {name for name in HANDLERS if f"'{name}'" in finding} == beside
        assert "use a file" in finding.lower()
        assert "init" in finding
        assert not any(value in finding for value in SECRETS.values())


def test_a_program_named_by_its_entry_point_alone_is_found(tmp_path: Path) -> None:
    environ = {"NHSMAIL_HEALTH__TOKEN": SECRETS["NHSMAIL_HEALTH__TOKEN"]}
    settings = configured(tmp_path, '[handler.command]\ncommand = ["true"]\n', environ)
    (finding,) = exposure_findings(settings, environ)
    assert "NHSMAIL_HEALTH__TOKEN" in finding
    assert "[health] token_file" in finding


@pytest.mark.parametrize(
    ("mode", "owner", "found"), [(0o600, 0, False), (0o640, 0, False), (0o644, 0, True), (0o600, 5, True)]
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_a_file_that_the_handlers_user_can_read_is_found(mode: int, owner: int, found: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        settings: Any = configured(folder, HANDLERS["other"][0] + HANDLERS["apart"][0], {})
        os.chown(folder / "password", owner, 0)
        (folder / "password").chmod(mode)
        findings = exposure_findings(settings, {})
    assert len(findings) == int(found)
    assert all("[handler.other] isolate" in one and "[account] password_file" in one for one in findings)
