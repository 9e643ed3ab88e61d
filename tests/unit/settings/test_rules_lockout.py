"""What NHSmail's policy text says of the lockout holds, whatever the configuration says."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.settings.files import ENVIRON, ROUTE, faults, minimal, one_fault, written
from worker.settings import SettingsError, load


@pytest.mark.parametrize(
    ("table", "named", "said"),
    [
        ("threshold = 13\n", "[lockout] threshold", "Set at most 12."),
        ("threshold = 50\nreserve = 41\n", "[lockout] threshold", "Set at most 12."),
        ("reserve = 2\n", "[lockout] reserve", "Set at least 3."),
        ("threshold = 10\nreserve = 0\n", "[lockout] reserve", "Set at least 1."),
    ],
)
def test_more_than_the_policy_text_allows_is_refused(tmp_path: Path, table: str, named: str, said: str) -> None:
    fault = one_fault(tmp_path, minimal(f"[lockout]\n{table}"))
    assert fault.startswith(f"{named}: ")
    assert "policy text ('Lockout policy')" in fault or "policy text, 'Lockout policy'" in fault
    assert fault.endswith(said)


def test_both_are_told_at_once(tmp_path: Path) -> None:
    told = faults(tmp_path, minimal("[lockout]\nthreshold = 20\nreserve = 1\n"))
    assert [line.partition(":")[0] for line in told] == ["[lockout] threshold", "[lockout] reserve"]


def test_so_is_what_the_environment_says(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, minimal(), {**ENVIRON, "NHSMAIL_LOCKOUT__THRESHOLD": "20"})
    assert fault.startswith("[lockout] threshold (from NHSMAIL_LOCKOUT__THRESHOLD): ")


LABEL = st.text("abcdefghij", min_size=1, max_size=6)
NHSMAIL = st.sampled_from(["nhs.net", "NHS.NET", "Nhs.Net", "nHS.neT", "nhs.net."])
ELSEWHERE = st.one_of(
    st.builds("{}.nhs.net".format, LABEL),  # a subdomain may be another service's
    st.builds("{}nhs.net".format, LABEL),
    st.builds("nhs.net.{}".format, LABEL),
    st.sampled_from(["nhs.uk", "trust.nhs.uk", "example.org", "nhs.network"]),
)


@given(
    local=st.text("abcdefgXYZ.'+-0123456789", min_size=1, max_size=12),
    domain=st.one_of(NHSMAIL, ELSEWHERE),
    threshold=st.integers(1, 50),
    data=st.data(),
)
@example(local="a", domain="nhs.net", threshold=12, data=None)
@example(local="a", domain="nhs.net", threshold=13, data=None)
def test_a_budget_is_accepted_exactly_where_the_policy_text_allows_it(
    local: str, domain: str, threshold: int, data: st.DataObject | None
) -> None:
    reserve = 3 if data is None else data.draw(st.integers(0, threshold - 1))
    is_nhsmail = domain.rstrip(".").lower() == "nhs.net"
    allowed = not is_nhsmail or (threshold <= 12 and threshold - reserve <= 9)
    account = f'[account]\naddress = "{local}@{domain}"\n'
    lockout = f"[lockout]\nthreshold = {threshold}\nreserve = {reserve}\n"

    with TemporaryDirectory() as folder:
        config = written(Path(folder), account + lockout + ROUTE)
        if allowed:
            found = load(config, ENVIRON).lockout
            assert found.threshold - found.reserve == threshold - reserve
            return
        with pytest.raises(SettingsError) as refused:
            load(config, ENVIRON)
    assert {line.partition(":")[0] for line in refused.value.faults} <= {"[lockout] threshold", "[lockout] reserve"}
    assert all("policy text" in line and "NHSmail" in line for line in refused.value.faults)
