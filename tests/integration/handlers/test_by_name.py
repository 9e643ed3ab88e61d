"""Every built-in handler from a configuration: by its name, secrets in files, durations and sizes as written there."""

from pathlib import Path

import pytest

from worker.handling.loading import load_handlers
from worker.settings import SettingsError, load

TABLES = """
[handler.archive]
url = "s3://bucket/mail"
options = {{ region = "eu-west-2", access_key_id = "ID" }}
secret_file = "{secret}"
timeout = "30s"
[handler.clamav]
url = "tcp://127.0.0.1:3310"
timeout = "2m"
[handler.command]
command = ["true"]
timeout = "1m"
grace = "0.5s"
environment = {{ DEPARTMENT = "Pathology" }}
[handler.database]
url = "postgresql+psycopg://worker@127.0.0.1:1/mail"
password_file = "{secret}"
schema = "mail"
[handler.queue]
url = "amqps://worker@127.0.0.1//"
password_file = "{secret}"
queue = "mail"
largest = "100kB"
claim_check = "s3://bucket/large"
claim_check_secret_file = "{secret}"
claim_check_options = {{ region = "eu-west-2", access_key_id = "ID" }}
queue_arguments = {{ "x-queue-type" = "quorum" }}
[handler.webhook]
url = "https://localhost/mail"
signing_secret_file = "{secret}"
bearer_token_file = "{secret}"
reject = [400, 422]
timeout = "30s"
"""
NAMES = ("archive", "clamav", "command", "database", "queue", "quarantine", "webhook")


def write(folder: Path, tables: str) -> Path:
    secret = folder / "secret"
    secret.write_text("a-secret-of-twenty-four-bytes-or-more\n")
    secret.chmod(0o600)
    config = folder / "worker.toml"
    config.write_text(
        f'[account]\naddress = "a@nhs.net"\n[[route]]\nname = "all"\nhandlers = {list(NAMES)}\n'
        + tables.format(secret=secret)
    )
    return config


def test_all_are_found_and_built(tmp_path: Path) -> None:
    handlers = load_handlers(load(write(tmp_path, TABLES), {"NHSMAIL_ACCOUNT__PASSWORD": "Correct-Horse-7"}))
    assert set(handlers) == set(NAMES)
    for handler in handlers.values():
        handler.flush()
        handler.close()


@pytest.mark.parametrize("name", ["password", "claim_check_secret", "signing_secret", "bearer_token", "secret"])
def test_no_secret_stands_in_the_file(tmp_path: Path, name: str) -> None:
    tables = TABLES.replace(f'\n{name}_file = "{{secret}}"', f'\n{name} = "a-secret-of-twenty-four-bytes-or-more"')
    assert tables != TABLES
    with pytest.raises(SettingsError) as caught:
        load_handlers(load(write(tmp_path, tables), {"NHSMAIL_ACCOUNT__PASSWORD": "Correct-Horse-7"}))
    assert any(f"{name}_file" in fault for fault in caught.value.faults)
    assert not any("twenty-four" in fault for fault in caught.value.faults)
