"""The kinds of value that settings take: dates, hosts, addresses."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.settings.files import ENVIRON, ROUTE, minimal, one_fault, written
from worker.settings import load


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ('"all"', None),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ('"2026-01-31"', datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ('"2026-01-31T08:00:00+01:00"', datetime(2026, 1, 31, 7, tzinfo=UTC)),
    ],
)
def test_since_is_a_date_with_a_time_zone(tmp_path: Path, since: str, expected: datetime | None) -> None:
    settings = load(written(tmp_path, minimal(f"[poll]\nsince = {since}\n")), ENVIRON)
    assert settings.poll.since == expected


@pytest.mark.parametrize("since", ["2026-01-31T08:00:00", '"2026-01-31T08:00:00"', '"yesterday"', "3", '"2026-02-31"'])
def test_since_is_nothing_else(tmp_path: Path, since: str) -> None:
    assert one_fault(tmp_path, minimal(f"[poll]\nsince = {since}\n")).startswith("[poll] since: ")


@pytest.mark.parametrize(
    "host", ["relay..nhs.uk", ".nhs.uk", "a" * 64 + ".nhs.uk", "a." * 127 + "b", "", "x/y", "x:25"]
)
def test_a_host_is_a_name_that_can_be_looked_up(tmp_path: Path, host: str) -> None:
    fault = one_fault(tmp_path, minimal(f'[alerts.relay]\nhost = "{host}"\nto = ["a@nhs.net"]\n'))
    assert fault.startswith("[alerts.relay] host: must be a bare host name")


@pytest.mark.parametrize(
    "host", ["relay", "relay.nhs.uk", "relay.nhs.uk.", "10.0.0.1", "::1", "fe80::1", "a" * 63 + ".uk"]
)
def test_hosts_that_are_names_or_addresses(tmp_path: Path, host: str) -> None:
    text = minimal(f'[alerts.relay]\nhost = "{host}"\nfrom = "a@trust.nhs.uk"\nto = ["a@nhs.net"]\n')
    assert load(written(tmp_path, text), ENVIRON).alerts.relay.host == host


@pytest.mark.parametrize(
    "address", ["results", "results@", "@nhs.net", "results@nhs", "a b@nhs.net", "", "x@nhs.net\\n"]
)
def test_the_address_is_a_full_one(tmp_path: Path, address: str) -> None:
    fault = one_fault(tmp_path, f'[account]\naddress = "{address}"\n' + ROUTE)
    assert fault.startswith("[account] address: must be the full address")
