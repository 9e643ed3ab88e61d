"""`check`, as typed."""

from pathlib import Path

import pytest

import worker.commands.check
from worker.cli import main as cli

CONFIGURATION = """
[account]
address = "pathology.results@nhs.net"
host = "mail.example"
password_file = "password"
[state]
dir = "state"
ephemeral = true
[[route]]
name = "all"
handlers = ["archive"]
[handler.archive]
url = "file://{folder}/archive"
isolate = true
"""


@pytest.mark.parametrize(("limit", "code"), [(None, 0), (3 << 30, 0), (1 << 30, 1)])
def test_too_little_memory_is_a_finding(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    limit: int | None,
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker.commands.check, "memory_limit", lambda: limit)
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("Bright-Harbour-92")
    (tmp_path / "worker.toml").write_text(CONFIGURATION.format(folder=tmp_path))
    assert cli.run(["check", "--config", "worker.toml"]) == code
    said = capsys.readouterr().out
    assert "The configuration is sound" in said
    assert ("4 × 600 MB for the isolated handler 'archive'" in said) == (code == 1)
