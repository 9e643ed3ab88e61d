"""The settings of alerts by mail: in whose name, and by what."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.unit.settings.files import ENVIRON, minimal, one_fault, written
from worker.settings import load
from worker.settings.types import Sender

RELAY = '[alerts.relay]\nhost = "relay.nhs.uk"\nto = ["duty.team@nhs.net"]\n'
SENDER: TypeAdapter[str] = TypeAdapter(Sender)


def test_an_old_configuration_without_a_sender_is_refused_with_the_line_to_add(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, minimal(RELAY))
    assert fault.startswith("[alerts.relay] from: is missing, so no alert would arrive")
    line = fault[fault.index('from = "') :]
    assert line == 'from = "nhsmail-worker@your-trust.nhs.uk"'
    assert load(written(tmp_path, minimal(RELAY + line + "\n")), ENVIRON).alerts.relay.from_ == line[8:-1]


def test_a_sender_without_a_relay_is_a_fault(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, minimal('[alerts.relay]\nfrom = "alerts@trust.nhs.uk"\n'))
    assert fault.startswith("[alerts.relay] host: is missing")


def test_the_sender_comes_from_the_environment_too(tmp_path: Path) -> None:
    environ = {**ENVIRON, "NHSMAIL_ALERTS__RELAY__FROM": "alerts@trust.nhs.uk"}
    assert load(written(tmp_path, minimal(RELAY)), environ).alerts.relay.from_ == "alerts@trust.nhs.uk"


@pytest.mark.parametrize(
    "address", ["pathology.results@nhs.net", "a@NHS.NET", "a@trust.nhs.net", "a@x.y.Nhs.Net", "a@nhs.net."]
)
def test_an_address_at_nhs_net_is_refused_because_nobody_would_see_the_mail(tmp_path: Path, address: str) -> None:
    fault = one_fault(tmp_path, minimal(f'{RELAY}from = "{address}"\n'))
    assert fault.startswith("[alerts.relay] from: can't be an address at nhs.net: NHSmail deletes mail from a relay")
    assert address not in fault


LABEL = st.from_regex(r"[a-z0-9][a-z0-9-]{0,12}", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.from_regex(r"[A-Za-z0-9._+-]{1,20}", fullmatch=True),
    st.lists(LABEL, max_size=3),
    st.sampled_from(["nhs.net", "NHS.net", "nhs.uk", "xnhs.net", "nhs.net.example", "nhs-net.uk", "anhs.net"]),
    st.sampled_from(["", "."]),
)
def test_no_address_at_nhs_net_passes_and_every_other_does(name: str, above: list[str], end: str, dot: str) -> None:
    address = f"{name}@{'.'.join([*above, end])}{dot}"
    if end.lower() == "nhs.net":
        with pytest.raises(ValidationError):
            SENDER.validate_python(address)
    else:
        assert SENDER.validate_python(address) == address


@pytest.mark.parametrize("address", ["alerts", "alerts@", "a b@trust.nhs.uk", "alerts@trust", ""])
def test_the_sender_is_a_full_address(tmp_path: Path, address: str) -> None:
    assert "must be one of your organisation's own full addresses" in one_fault(
        tmp_path, minimal(f'{RELAY}from = "{address}"\n')
    )


def test_submission_needs_an_oauth_flow(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, minimal('[alerts.submission]\nto = ["duty.team@nhs.net"]\n'))
    assert fault.startswith("[alerts.submission] to: needs an OAuth flow")
    assert "the worker never sends a password over SMTP" in fault


def test_submission_has_the_services_own_server() -> None:
    from worker.settings import SubmissionSettings

    found = SubmissionSettings()
    assert (found.host, found.port, found.to, found.ca_file) == ("smtp.office365.com", 587, (), None)
