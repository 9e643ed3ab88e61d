"""What `check` says of what expires, without a server and without the journal."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.login.test_expiry_files import pem
from worker.commands.expiry_findings import expiry_findings
from worker.login.expiry import TABLE, Thing
from worker.settings import Settings

ENDS = datetime(2027, 5, 4, tzinfo=UTC)
DAY = 86_400.0
SECRET = {"auth": "oauth2-client", "oauth": {"client_secret_file": "/s", "secret_expires": "2027-05-04"}}
CHANGED = {"changed": "2027-02-03", "max_age": "90d"}  # it ends on 4 May


def found(days: float, account: dict[str, Any], **tables: Any) -> tuple[list[str], bool]:
    """What is said so many days before the end."""
    whole = {"account": {"address": "pathology.results@nhs.net", **account}, **tables}
    return expiry_findings(Settings.model_validate(whole), ENDS.timestamp() - days * DAY)


@pytest.mark.parametrize(
    ("days", "said", "finding"),
    [
        (30.5, None, False),
        (30, "expires in 30 days.", False),
        (0.5, "expires within a day.", False),
        (-0.5, "has expired.", True),
        (-99, "has expired.", True),
    ],
)
@pytest.mark.parametrize(
    ("thing", "account", "tables"),
    [
        (Thing.CLIENT_SECRET, SECRET, {}),
        (Thing.CLIENT_CERTIFICATE, {"auth": "oauth2-client"}, {}),
        (Thing.PASSWORD, {"auth": "password"}, {"password": CHANGED}),
        (Thing.PUBLIC_CLIENT_PASSWORD, {"auth": "oauth2-device"}, {"password": CHANGED}),
    ],
)
def test_what_has_expired_is_a_finding_and_what_will_soon_is_said(
    tmp_path: Path,
    thing: Thing,
    account: dict[str, Any],
    tables: dict[str, Any],
    days: float,
    said: str | None,
    *,
    finding: bool,
) -> None:
    if thing is Thing.CLIENT_CERTIFICATE:
        file = tmp_path / "app.pem"
        file.write_bytes(pem(ENDS))
        file.chmod(0o600)
        account = {**account, "oauth": {"certificate_file": str(file)}}
    row = TABLE[thing]
    lines = [] if said is None else [f"{row.noun} {said} {row.do}"]
    assert found(days, account, **tables) == (lines, finding)


@pytest.mark.parametrize(
    ("thing", "account"),
    [
        (Thing.CLIENT_SECRET, {"auth": "oauth2-client", "oauth": {"client_secret_file": "/s"}}),
        (Thing.CLIENT_CERTIFICATE, {"auth": "oauth2-client", "oauth": {"certificate_file": "/nowhere"}}),
        (Thing.PUBLIC_CLIENT_PASSWORD, {"auth": "oauth2-device"}),
    ],
)
def test_an_end_that_is_not_known_is_said_with_what_makes_it_known(thing: Thing, account: dict[str, Any]) -> None:
    row = TABLE[thing]
    assert found(0, account) == ([f"{row.noun}: when it ends is not known. {row.unknown}"], False)


def test_the_running_worker_learns_by_itself_how_old_its_password_is() -> None:
    assert found(0, {"auth": "password"}) == ([], False)


def test_a_day_of_the_last_change_that_is_still_to_come_is_a_finding() -> None:
    lines, finding = found(91, {"auth": "password"}, password=CHANGED)
    assert finding
    assert lines == ["[password] changed is in the future (2027-02-03). Set it to the day of the last change."]
