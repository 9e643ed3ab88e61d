"""What the settings would send to another machine in clear text: refused, or known of."""

from pathlib import Path

import pytest

from tests.unit.settings.files import ENVIRON, minimal, one_fault, written
from worker.settings import clear_tables, load

RELAY = '[alerts.relay]\nhost = "{}"\nfrom = "alerts@trust.nhs.uk"\nto = ["duty.team@nhs.net"]\nallow_clear = {}\n'
SYSLOG = '[audit]\nmirror = "{}"\nsyslog = "{}"\nallow_clear = {}\n'


@pytest.mark.parametrize(
    ("table", "named", "words"),
    [
        (SYSLOG.format("syslog", "log.example:514", "false"), "[audit] syslog", "[audit] the line: allow_clear = true"),
        ('[alerts]\njson_webhook = "{}"\n', "[alerts] json_webhook", "https://"),
    ],
)  # fmt: skip
def test_clear_text_is_a_fault_with_the_line_to_add(tmp_path: Path, table: str, named: str, words: str) -> None:
    environ = {**ENVIRON}
    if "webhook" in table:
        table, environ["NHSMAIL_ALERTS__JSON_WEBHOOK"] = "", "http://hooks.example/x"
    fault = one_fault(tmp_path, minimal(table), environ)
    assert fault.startswith(named)
    assert words in fault


@pytest.mark.parametrize(
    "url", ["http://127.hooks.example/x", "http://localhost.example/x", "https://", "http://[x", "ftp://x/"]
)
def test_a_webhook_that_only_looks_safe_is_a_fault(tmp_path: Path, url: str) -> None:
    assert "https://" in one_fault(tmp_path, minimal(), {**ENVIRON, "NHSMAIL_ALERTS__SLACK_WEBHOOK": url})


@pytest.mark.parametrize(
    ("tables", "clear"),
    [
        ("", []),
        (RELAY.format("relay.example", "false"), []),
        (RELAY.format("relay.example", "true"), ["alerts.relay"]),
        (RELAY.format("localhost", "true"), []),
        (SYSLOG.format("syslog", "log.example:514", "true"), ["audit"]),
        (SYSLOG.format("syslog", "127.0.0.1:514", "true"), []),
        (SYSLOG.format("syslog", "127.0.0.1:514", "false"), []),
        (SYSLOG.format("syslog", "/dev/log", "true"), []),
        (SYSLOG.format("none", "log.example:514", "false"), []),
        (RELAY.format("relay.x", "true") + SYSLOG.format("syslog", "[fe80::1]:5", "true"), ["alerts.relay", "audit"]),
    ],
)  # fmt: skip
def test_what_goes_in_clear_text_is_known(tmp_path: Path, tables: str, clear: list[str]) -> None:
    assert clear_tables(load(written(tmp_path, minimal(tables)), ENVIRON)) == clear
