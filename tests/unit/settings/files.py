"""Configuration files for the tests of the settings, and the faults that loading one reports."""

from pathlib import Path

import pytest

from worker.settings import SettingsError, load

PASSWORD = "Correct-Horse-7"

DESIGN = """
[account]
address = "pathology.results@nhs.net"
host = "outlook.office365.com"
port = 993
auth = "password"

[state]
dir = "/var/lib/nhsmail-worker"

[poll]
every = "60s"
since = "all"
folders = ["INBOX"]
idle = true

[lockout]
threshold = 12
reserve = 4
per_credential = 5
waits = ["1m", "10m", "1h", "4h", "12h", "24h"]
token_attempts = 3
[password]
max_age = "90d"
warn = "30d"

[junk]
folder = "auto"
handlers = ["quarantine"]
[settle]
handled = "Processed"
failed = "Failed"

[[route]]
name = "pathology"
match = { from = "*@lab.nhs.uk", attachment = "*.pdf" }
handlers = ["archive"]
[[route]]
name = "everything-else"
handlers = ["archive"]

[handler.archive]
use = "archive"
url = "file:///var/lib/nhsmail-worker/archive"
"""

ROUTE = '[[route]]\nname = "all"\nhandlers = ["archive"]\n'
ENVIRON = {"NHSMAIL_ACCOUNT__PASSWORD": PASSWORD}


def written(folder: Path, text: str) -> Path:
    path = folder / "worker.toml"
    path.write_text(text)
    return path


def faults(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """The faults of a configuration that is whole but for what the test adds."""
    with pytest.raises(SettingsError) as caught:
        load(written(folder, text), ENVIRON if environ is None else environ)
    return caught.value.faults


def one_fault(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    (fault,) = faults(folder, text, environ)
    return fault


def minimal(table: str = "", account: str = "") -> str:
    return f'[account]\naddress = "results@nhs.net"\n{account}\n{ROUTE}{table}'
