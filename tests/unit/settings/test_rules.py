"""What must hold between settings."""

from pathlib import Path

import pytest

from tests.unit.settings.files import ENVIRON, PASSWORD, ROUTE, minimal, one_fault, written
from worker.settings import SettingsError, load


def test_a_secret_and_its_file_from_one_place_are_a_fault(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    fault = one_fault(tmp_path, minimal(), {**ENVIRON, "NHSMAIL_ACCOUNT__PASSWORD_FILE": str(secret)})
    assert "both set" in fault


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("[lockout]\nthreshold = 4\n", "[lockout] reserve"),
        ('[lockout]\nwaits = ["1h", "1m"]\n', "[lockout] waits"),
        ("[lockout]\nwaits = []\n", "[lockout] waits"),
        ('[password]\nwarn = "90d"\n', "[password] warn"),
        ('[poll]\nfolders = ["INBOX", "inbox"]\n', "[poll] folders"),
        ("[poll]\nfolders = []\n", "[poll] folders"),
        ('[settle]\nhandled = "INBOX"\n', "[settle] handled"),
        ('[settle]\nhandled = "auto"\n', "[settle] handled"),
        ('[settle]\nfailed = "keep"\n', "[settle] failed"),
        ('[settle]\nfailed = "processed"\n', "[settle] failed"),
        ('[junk]\nfolder = "inbox"\n', "[junk] folder"),
        ('[limits]\nmessage = "1kB"\n', "[limits] header_bytes"),
        ('[health]\nlisten = "0.0.0.0:8080"\n', "[health] token_file"),
        ('[health]\nlisten = "8080"\n', "[health] listen"),
        ('[[route]]\nname = "all"\nhandlers = ["archive"]\n', "[[route]] 2, name"),
        ('[[route]]\nname = "junk"\nhandlers = ["archive"]\n', "[[route]] 2, name"),
        ('[[route]]\nname = "b"\nhandlers = ["x", "x"]\n', "[[route]] 2, handlers"),
        ('[[route]]\nname = "b"\nhandlers = ["x"]\nmatch = { from = "*" }\n', "[[route]]"),
        ("[poll]\nevery = 60\n", "[poll] every"),
        ('[poll]\nevery = "0s"\n', "[poll] every"),
        ("[poll]\nidle = 2\n", "[poll] idle"),
        ("[limits]\nmessage = 64\n", "[limits] message"),
        ("[handler]\nx = 1\n", "[handler.x]"),
        ("[handler.x]\nuse = 1\n", "[handler.x] use"),
        ('[handler."a b"]\n', "[handler.a b]"),
    ],
)
def test_what_cant_be_right_is_a_fault_of_its_own(tmp_path: Path, table: str, named: str) -> None:
    assert one_fault(tmp_path, minimal(table)).startswith(f"{named}: ")


def test_a_route_is_needed(tmp_path: Path) -> None:
    assert "the last route must have no match" in one_fault(tmp_path, '[account]\naddress = "a@nhs.net"\n')


@pytest.mark.parametrize(
    ("auth", "oauth", "environ", "named"),
    [
        ("password", "", {}, ["[account] password_file"]),
        ("oauth2-device", "", {}, ["[account.oauth] tenant", "[account.oauth] client_id"]),
        ("oauth2-client", 'tenant = "t"\nclient_id = "c"\n', {}, ["[account.oauth] client_secret_file"]),
        ("oauth2-password", 'tenant = "t"\nclient_id = "c"\n', {}, ["[account] password_file"]),
        ("oauth2-device", 'tenant = "t"\nclient_id = "c"\n', {}, []),
        (
            "oauth2-device",
            'tenant = "t"\nclient_id = "c"\nauthority = "login.example.org"\n',
            {},
            ["[account.oauth] authority"],
        ),
        ("oauth2-client", 'tenant = "t"\nclient_id = "c"\n', {"NHSMAIL_ACCOUNT__OAUTH__CLIENT_SECRET": "s"}, []),
        ("oauth2-browser", "", {}, ["[account.oauth] tenant", "[account.oauth] client_id"]),
        ("oauth2-browser", 'tenant = "t"\nclient_id = "c"\n', {}, []),
        ("oauth2-browser", 'tenant = "t"\nclient_id = "c"\n', {"NHSMAIL_ACCOUNT__OAUTH__CLIENT_SECRET": "s"}, []),
    ],
)
def test_each_way_to_log_in_has_what_it_needs(
    tmp_path: Path, auth: str, oauth: str, environ: dict[str, str], named: list[str]
) -> None:
    text = f'[account]\naddress = "a@nhs.net"\nauth = "{auth}"\n[account.oauth]\n{oauth}{ROUTE}'
    try:
        load(written(tmp_path, text), environ)
        found: list[str] = []
    except SettingsError as error:
        found = error.faults
    assert [fault.split(": ")[0] for fault in found] == named


@pytest.mark.parametrize(
    ("auth", "refused"),
    [
        ("password", True),
        ("oauth2-password", True),
        ("oauth2-browser", False),
        ("oauth2-device", False),
        ("oauth2-client", False),
    ],
)
def test_nobody_else_signs_in_with_a_password(tmp_path: Path, auth: str, *, refused: bool) -> None:
    text = f'[account]\naddress = "a@nhs.net"\nauth = "{auth}"\nsign_in = "jo.bloggs@nhs.net"\n'
    text += f'[account.oauth]\ntenant = "t"\nclient_id = "c"\n{ROUTE}'
    environ = {**ENVIRON, "NHSMAIL_ACCOUNT__OAUTH__CLIENT_SECRET": "s"}
    if not refused:
        assert load(written(tmp_path, text), environ).account.sign_in == "jo.bloggs@nhs.net"
        return
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, text), environ)
    (fault,) = caught.value.faults
    assert fault.startswith(
        f"[account] sign_in: can't be used: auth is {auth}. If two workers sent the same user's password,"
    )
    assert fault.endswith("Set auth to oauth2-browser or oauth2-device, or remove sign_in.")


@pytest.mark.parametrize("who", ["jo.bloggs", "", "jo@nhs.net, al@nhs.net", '["jo@nhs.net"]'])
def test_one_user_signs_in(tmp_path: Path, who: str) -> None:
    value = who if who.startswith("[") else f'"{who}"'
    account = f'auth = "oauth2-device"\nsign_in = {value}\noauth = {{ tenant = "t", client_id = "c" }}\n'
    assert one_fault(tmp_path, minimal(account=account)).startswith("[account] sign_in: must be")
