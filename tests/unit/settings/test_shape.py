"""A second account can't be configured."""

from pathlib import Path

import pytest

from tests.unit.settings.files import ENVIRON, ROUTE, minimal, one_fault


@pytest.mark.parametrize(
    "text",
    [
        '[[account]]\naddress = "a@nhs.net"\n[[account]]\naddress = "b@nhs.net"\n' + ROUTE,
        '[account]\naddress = "a@nhs.net"\n[account]\naddress = "b@nhs.net"\n' + ROUTE,
        minimal('[account2]\naddress = "b@nhs.net"\n'),
        minimal('[[accounts]]\naddress = "b@nhs.net"\n'),
        minimal('[account.second]\naddress = "b@nhs.net"\n'),
        '[account]\naddress = ["a@nhs.net", "b@nhs.net"]\n' + ROUTE,
        '[account]\naddress = "a@nhs.net, b@nhs.net"\n' + ROUTE,
        'accounts = ["a@nhs.net", "b@nhs.net"]\n' + minimal(),
    ],
)
def test_there_is_no_way_to_write_a_second_account(tmp_path: Path, text: str) -> None:
    fault = one_fault(tmp_path, text)
    assert "one account only" in fault
    assert "multiple NHSmail accounts is strictly forbidden" in fault


@pytest.mark.parametrize(
    "name", ["NHSMAIL_ACCOUNT2__ADDRESS", "NHSMAIL_ACCOUNTS__0__ADDRESS", "NHSMAIL_ACCOUNT__2__HOST"]
)
def test_nor_by_the_environment(tmp_path: Path, name: str) -> None:
    assert "one account only" in one_fault(tmp_path, minimal(), {**ENVIRON, name: "b@nhs.net"})
