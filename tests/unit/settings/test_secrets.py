"""Secrets: refused in the file, taken from the environment, and never shown."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.unit.settings.files import ENVIRON, PASSWORD, ROUTE, faults, minimal, one_fault, written
from worker.settings import has_password, load


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('[account]\naddress = "a@nhs.net"\npassword = "hunter-two-22"\n', "[account] password"),
        ('[account]\naddress = "a@nhs.net"\n[account.oauth]\nclient_secret = "hunter-two-22"\n', "client_secret"),
        ('[account]\naddress = "a@nhs.net"\n[health]\ntoken = "hunter-two-22"\n', "[health] token"),
        ('[account]\naddress = "a@nhs.net"\n[handler.x]\napi_key = "hunter-two-22"\n', "[handler.x] api_key"),
        ('[account]\naddress = "a@nhs.net"\n[handler.x]\nurl = "amqp://u:hunter-two-22@mq"\n', "[handler.x] url"),
        (
            '[account]\naddress = "a@nhs.net"\n[state]\njournal = "postgresql://u:hunter-two-22@db/j"\n',
            "[state] journal",
        ),
        ('[account]\naddress = "a@nhs.net"\npassword = ["hunter-two-22"]\n', "[account] password"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, table: str, named: str) -> None:
    for environ in (ENVIRON, {}):
        found = faults(tmp_path, table + ROUTE, environ)
        told = [fault for fault in found if "because it is now in a file" in fault]
        assert len(told) == 1
        assert told[0].split(": ")[0].startswith(named) or named in told[0]
        assert "hunter-two-22" not in "\n".join(found)


def test_a_secret_in_the_file_is_the_only_fault_it_makes(tmp_path: Path) -> None:
    text = '[account]\naddress = "a@nhs.net"\npassword = "hunter-two-22"\n' + ROUTE
    assert one_fault(tmp_path, text, {}).startswith("[account] password: a secret doesn't belong in this file")


def test_a_journal_url_without_a_password_may_stand_in_the_file(tmp_path: Path) -> None:
    settings = load(written(tmp_path, minimal('[state]\njournal = "postgresql+psycopg://worker@db/j"\n')), ENVIRON)
    assert settings.state.journal is not None
    assert settings.state.journal.get_secret_value() == "postgresql+psycopg://worker@db/j"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://u:p@h/db", True),
        ("postgresql+psycopg://u:p/w@h/db", True),
        ("postgresql+psycopg://:p@h/db", True),
        ("postgresql://h/db?user=u&password=p", True),
        ("https://h/hook?sig=abc", True),
        ("redis://:12345@h", True),
        ("postgresql://u@h/db", False),
        ("https://h:443/path@x", False),
        ("https://h:8443", False),
        ("file:///var/a:b@c", False),
        ("https://h/hook?a=b", False),
        ("results@nhs.net", False),
        ("[::1]:8080", False),
    ],
)
def test_urls_with_a_password_are_recognised(url: str, expected: bool) -> None:
    assert has_password(url) is expected


def test_a_password_of_the_environment_replaces_the_file_that_the_configuration_names(tmp_path: Path) -> None:
    settings = load(written(tmp_path, minimal(account='password_file = "/nowhere"')), ENVIRON)
    assert settings.account.password == SecretStr(PASSWORD)
    assert settings.account.password_file is None


def test_settings_never_show_a_secret(tmp_path: Path) -> None:
    table = "[handler.x]\na = 1\n"
    settings = load(
        written(tmp_path, minimal(table)), {**ENVIRON, "NHSMAIL_HANDLER__X__TOKEN": "hunter-two-22"}, checks=()
    )
    assert PASSWORD not in repr(settings) + str(settings)
    assert "hunter-two-22" not in repr(settings) + str(settings)
