"""The configuration: what is read, what beats what, and every fault at once."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from worker.classify.policy import COUNTING_SOURCES, SOURCES, JunkPolicy
from worker.message.mime.limits import Limits
from worker.settings import Settings, SettingsError, has_password, load
from worker.settings.junk_settings import JunkSettings
from worker.settings.model import places_of, secret_places
from worker.settings.tree import LimitsSettings
from worker.settings.wording import variable

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
warn = "14d"

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


def test_the_documented_configuration_is_read(tmp_path: Path) -> None:
    settings = load(written(tmp_path, DESIGN), ENVIRON)

    assert settings.account.address == "pathology.results@nhs.net"
    assert settings.account.password == SecretStr(PASSWORD)
    assert settings.poll.every == timedelta(seconds=60)
    assert settings.poll.since is None
    assert settings.lockout.waits[-1] == timedelta(days=1)
    assert [route.name for route in settings.routes] == ["pathology", "everything-else"]
    assert settings.routes[0].match is not None
    assert settings.handlers["archive"].use == "archive"
    assert settings.handlers["archive"].options == {"url": "file:///var/lib/nhsmail-worker/archive"}


def test_the_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    documented = load(written(tmp_path, DESIGN), ENVIRON)
    bare = load(written(tmp_path, minimal()), ENVIRON)

    for table in ("state", "poll", "lockout", "password", "junk", "settle"):
        assert getattr(documented, table) == getattr(bare, table)
    assert bare.limits.message == 64_000_000


def test_defaults_agree_with_the_rooms_that_use_them() -> None:
    limits = LimitsSettings().model_dump(exclude={"deaths"})
    assert limits == asdict(Limits())
    junk, policy = JunkSettings(), JunkPolicy()
    assert (junk.scl, junk.bcl, junk.believe_without_provider) == (
        policy.scl,
        policy.bcl,
        policy.believe_without_provider,
    )
    assert frozenset(junk.sources) == COUNTING_SOURCES == policy.sources
    assert JunkSettings.model_validate({"sources": SOURCES}).sources == SOURCES


@pytest.mark.parametrize(
    ("given", "scl", "bcl"), [({"scl": "off"}, None, 7), ({"bcl": "off"}, 5, None), ({"scl": "-1", "bcl": 0}, -1, 0)]
)
def test_the_thresholds_can_be_turned_off(given: dict[str, Any], scl: int | None, bcl: int | None) -> None:
    junk = JunkSettings.model_validate(given)
    assert (junk.scl, junk.bcl) == (scl, bcl)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scl", 10),
        ("scl", "never"),
        ("bcl", -1),
        ("moved_out", "forget"),
        ("digest", "07:00"),
        ("digest", "weekdays 24:00"),
        ("digest", "weekdays 7:00"),
        ("digest_zone", "Europe/Atlantis"),
        ("digest_zone", "../../etc/passwd"),
        ("digest_zone", ""),
        ("kinds", {"phish": ["quarantine"]}),
        ("kinds", {"phishing": []}),
        ("known_senders", []),
    ],
)
def test_junk_settings_that_mean_nothing_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        JunkSettings.model_validate({key: value})


@pytest.mark.parametrize("digest", ["off", "weekdays 07:00", "daily 23:59", "monday 00:00"])
def test_a_digest_has_days_and_a_time(digest: str) -> None:
    assert JunkSettings.model_validate({"digest": digest}).digest == digest


def test_the_environment_alone_will_do() -> None:
    settings = load(
        None,
        {
            "NHSMAIL_ACCOUNT__ADDRESS": "results@nhs.net",
            "NHSMAIL_ACCOUNT__PASSWORD": PASSWORD,
            "NHSMAIL_POLL__FOLDERS": '["INBOX", "Results"]',
            "NHSMAIL_POLL__IDLE": "false",
            "NHSMAIL_ACCOUNT__PORT": "1993",
            "NHSMAIL_LOCKOUT__WAITS": '["1m", "1h"]',
            "NHSMAIL_ROUTE": '[{"name": "all", "match": {"from": "*@nhs.net"}, "handlers": ["archive"]},'
            ' {"name": "rest", "handlers": ["archive"]}]',
            "NHSMAIL_HANDLER__ARCHIVE__URL": "file:///somewhere",
        },
    )

    assert settings.poll.folders == ("INBOX", "Results")
    assert settings.poll.idle is False
    assert settings.account.port == 1993
    assert settings.lockout.waits == (timedelta(minutes=1), timedelta(hours=1))
    assert [route.name for route in settings.routes] == ["all", "rest"]
    assert settings.handlers["archive"].options == {"url": "file:///somewhere"}
    assert settings.handlers["archive"].from_file == frozenset()


@pytest.mark.parametrize("listen", ["", "off"])
def test_health_can_be_turned_off(tmp_path: Path, listen: str) -> None:
    path = written(tmp_path, minimal(f'[health]\nlisten = "{listen}"\n'))
    assert load(path, ENVIRON).health.listen == ""


def test_health_can_be_turned_off_by_the_environment(tmp_path: Path) -> None:
    """Where an empty variable is as good as none."""
    settings = load(written(tmp_path, minimal()), {**ENVIRON, "NHSMAIL_HEALTH__LISTEN": "off"})
    assert settings.health.listen == ""


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, minimal('[poll]\nevery = "5m"\nidle = false\n[handler.my-archive]\nurl = "file:///a"\n'))

    settings = load(
        path, {**ENVIRON, "NHSMAIL_POLL__EVERY": "7s", "NHSMAIL_HANDLER__MY_ARCHIVE__URL": "file:///b", "OTHER": "x"}
    )

    assert settings.poll.every == timedelta(seconds=7)
    assert settings.poll.idle is False
    assert settings.handlers["my-archive"].options == {"url": "file:///b"}


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    injected = {
        "NHSMAIL_WORKER_SERVICE_HOST": "10.0.0.1",
        "NHSMAIL_WORKER_PORT": "tcp://10.0.0.1:8080",
        "NHSMAIL_WORKER_PORT_8080_TCP_ADDR": "10.0.0.1",
        "NHSMAIL_CONFIG": "worker.toml",
        "NHSMAIL_POLL__EVERY": "",
    }
    assert load(written(tmp_path, minimal()), {**ENVIRON, **injected}).poll.every == timedelta(seconds=60)


def test_a_password_may_look_like_json(tmp_path: Path) -> None:
    settings = load(written(tmp_path, minimal()), {"NHSMAIL_ACCOUNT__PASSWORD": '["x"]'})
    assert settings.account.password == SecretStr('["x"]')


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


# --- unknown keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "named", "nearest"),
    [
        ("[poll]\nevry = 1\n", "[poll] evry", "[poll] every (NHSMAIL_POLL__EVERY)"),
        ("[poll]\nthreshold = 1\n", "[poll] threshold", "[lockout] threshold (NHSMAIL_LOCKOUT__THRESHOLD)"),
        ("[pol]\nevery = 1\n", "[pol]", "[poll]"),
        ("[account.oauth]\nclientid = 1\n", "[account.oauth] clientid", "[account.oauth] client_id"),
        ("[zzz]\n", "[zzz]", "the nearest is ["),
        ("[settle]\nx = 1\n", "[settle] x", "the nearest is ["),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path: Path, table: str, named: str, nearest: str) -> None:
    fault = one_fault(tmp_path, minimal(table))
    assert fault.startswith(f"{named}: ")
    assert nearest in fault


def test_an_unknown_key_of_a_route_names_the_nearest_of_a_route(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, minimal() + 'hanlders = ["a"]\n')
    assert fault.startswith("[[route]] 1, hanlders: ")
    assert "[[route]] 1, handlers" in fault


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("NHSMAIL_ACCOUNT__PASWORD", "NHSMAIL_ACCOUNT__PASSWORD"),
        ("NHSMAIL_ACOUNT__PASSWORD", "NHSMAIL_ACCOUNT__…"),
        ("nhsmail_poll__evry", "NHSMAIL_POLL__EVERY"),
        ("NHSMAIL_POLL__EVERY__X", "lies inside a setting that isn't a table"),
        ("NHSMAIL_POLL__", "has an empty part"),
    ],
)
def test_an_unknown_variable_names_the_nearest(tmp_path: Path, name: str, nearest: str) -> None:
    fault = one_fault(tmp_path, minimal('[poll]\nevery = "1m"\n'), {**ENVIRON, name: PASSWORD + "x"})
    assert name in fault
    assert nearest in fault
    assert PASSWORD + "x" not in fault


def test_a_setting_that_is_given_twice_by_the_environment_is_a_fault(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, minimal(), {**ENVIRON, "NHSMAIL_POLL__EVERY": "1s", "nhsmail_poll__every": "2s"})
    assert "NHSMAIL_POLL__EVERY" in fault
    assert "nhsmail_poll__every" in fault


# --- one account -----------------------------------------------------------------------------------------------------


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
    text = minimal(f'[alerts.relay]\nhost = "{host}"\nto = ["a@nhs.net"]\n')
    assert load(written(tmp_path, text), ENVIRON).alerts.relay.host == host


@pytest.mark.parametrize(
    "address", ["results", "results@", "@nhs.net", "results@nhs", "a b@nhs.net", "", "x@nhs.net\\n"]
)
def test_the_address_is_a_full_one(tmp_path: Path, address: str) -> None:
    fault = one_fault(tmp_path, f'[account]\naddress = "{address}"\n' + ROUTE)
    assert fault.startswith("[account] address: must be the full address")


@pytest.mark.parametrize("text", [ROUTE, "[account]\n" + ROUTE])
def test_an_address_is_needed(tmp_path: Path, text: str) -> None:
    assert one_fault(tmp_path, text) == "[account] address: is missing. Set it."


# --- secrets ---------------------------------------------------------------------------------------------------------


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
        told = [fault for fault in found if "It is now in a file: change it" in fault]
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


def test_a_secret_and_its_file_from_one_place_are_a_fault(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    fault = one_fault(tmp_path, minimal(), {**ENVIRON, "NHSMAIL_ACCOUNT__PASSWORD_FILE": str(secret)})
    assert "both set" in fault


def test_a_password_of_the_environment_replaces_the_file_that_the_configuration_names(tmp_path: Path) -> None:
    settings = load(written(tmp_path, minimal(account='password_file = "/nowhere"')), ENVIRON)
    assert settings.account.password == SecretStr(PASSWORD)
    assert settings.account.password_file is None


def test_every_secret_has_a_twin_that_names_a_file() -> None:
    everything = set(places_of(Settings))
    secrets = [place for place, _ in secret_places()]
    assert ("account", "password") in secrets
    assert ("state", "journal") in secrets
    assert all((*place[:-1], f"{place[-1]}_file") in everything for place in secrets)


def test_settings_never_show_a_secret(tmp_path: Path) -> None:
    table = "[handler.x]\na = 1\n"
    settings = load(
        written(tmp_path, minimal(table)), {**ENVIRON, "NHSMAIL_HANDLER__X__TOKEN": "hunter-two-22"}, checks=()
    )
    assert PASSWORD not in repr(settings) + str(settings)
    assert "hunter-two-22" not in repr(settings) + str(settings)


# --- rules between settings ------------------------------------------------------------------------------------------


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
    ("match", "named"),
    [
        ('{ from = "" }', "match.from"),
        ("{ from = 3 }", "match.from"),
        ("{ from = [] }", "match.from"),
        ('{ subject = { regex = "(" } }', "match.subject"),
        ('{ subject = { regex = "(?=x)" } }', "match.subject"),
        ('{ subject = { regexp = "x" } }', "match.subject"),
        ('{ header = { "X Y" = "x" } }', "match.header"),
        ('{ kind = "letter" }', "match.kind"),
        ('{ size = { over = "2MB", under = "1MB" } }', "match.size"),
        ('{ path = "dirty" }', "match.path"),
        ("3", "match"),
    ],
)
def test_a_match_that_cant_be_read_is_a_fault(tmp_path: Path, match: str, named: str) -> None:
    text = f'[account]\naddress = "a@nhs.net"\n[[route]]\nname = "a"\nhandlers = ["x"]\nmatch = {match}\n' + ROUTE
    assert one_fault(tmp_path, text).startswith(f"[[route]] 1, {named}")


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


# --- every fault at once ---------------------------------------------------------------------------------------------

FAULTS = {
    "[account] port": ("account", "port = 99999"),
    "[account] auth": ("account", 'auth = "magic"'),
    "[account] second": ("account", 'second = { address = "b@nhs.net" }'),
    "[state] dirr": ("state", 'dirr = "/x"'),
    "[state] journal": ("state", 'journal = "postgresql://u:p@h/d"'),
    "[poll] every": ("poll", "every = 60"),
    "[poll] folders": ("poll", "folders = []"),
    "[lockout] waits": ("lockout", 'waits = ["1h", "1m"]'),
    "[lockout] reserve": ("lockout", "reserve = 12"),
    "[password] warn": ("password", 'warn = "400d"'),
    "[settle] failed": ("settle", 'failed = "keep"'),
    "[limits] parts": ("limits", "parts = 0"),
    "[work] threads": ("work", 'threads = "many"'),
    "[log] level": ("log", 'level = "loud"'),
    "[handler.x] token": ("handler.x", 'token = "hunter-two-22"'),
    "[nonsense]": ("nonsense", "x = 1"),
}


@given(st.sets(st.sampled_from(sorted(FAULTS)), min_size=1), st.booleans(), st.booleans())
def test_every_fault_is_reported_at_once(
    tmp_path_factory: pytest.TempPathFactory, chosen: set[str], no_route: bool, bad_variable: bool
) -> None:
    tables: dict[str, list[str]] = {"account": ['address = "a@nhs.net"']}
    for named in sorted(chosen):
        table, line = FAULTS[named]
        tables.setdefault(table, []).append(line)
    text = "".join(f"[{table}]\n" + "\n".join(lines) + "\n" for table, lines in tables.items())
    expected = set(chosen)
    environ = dict(ENVIRON)
    if no_route:
        expected.add("[[route]]")
    else:
        text += ROUTE
    if bad_variable:
        environ["NHSMAIL_SETTLE__HANDELD"] = "x"
        expected.add("[settle] handeld (from NHSMAIL_SETTLE__HANDELD)")

    found = faults(tmp_path_factory.mktemp("settings"), text, environ)

    assert {fault.split(": ")[0] for fault in found} == expected
    assert len(found) == len(expected)
    assert all("hunter-two-22" not in fault for fault in found)


def test_a_check_at_start_is_part_of_the_same_report(tmp_path: Path) -> None:
    def about_state(settings: Settings) -> list[str]:
        return [f"[state] dir: {settings.state.dir} isn't there."]

    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, minimal("[poll]\nevery = 1\n")), ENVIRON, (about_state,))
    assert [fault.split(": ")[0] for fault in caught.value.faults] == ["[poll] every", "[state] dir"]

    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, minimal("[state]\ndir = 3\n")), ENVIRON, (about_state,))
    (fault,) = caught.value.faults
    assert fault.startswith("[state] dir: must be a path")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('match = { form = "*@nhs.net" }', "match.form"),
        ('match = { form = "*@nhs.net", from = "" }', "match.from, item 1"),
        ("tries = 0", "tries"),
        ('nmae = "b"', "nmae"),
        ('handlers = ["x", "no such", "y"]', "handlers, item 2"),
    ],
)
def test_a_fault_in_a_route_hides_none_in_its_handlers(tmp_path: Path, line: str, named: str) -> None:
    def about_handlers(settings: Settings) -> list[str]:
        return [f"[handler.{name}]: isn't there." for name in settings.routes[0].handlers]

    handlers = "" if line.startswith("handlers") else 'handlers = ["x", "y"]\n'
    text = f'[account]\naddress = "a@nhs.net"\n[[route]]\nname = "a"\n{handlers}{line}\n' + ROUTE.replace(
        '"all"', '"rest"'
    )
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, text), ENVIRON, (about_handlers,))
    found = [fault.split(": ")[0] for fault in caught.value.faults]
    assert found[0] == f"[[route]] 1, {named}"
    assert found[-2:] == ["[handler.x]", "[handler.y]"]


def test_a_fault_in_a_route_hides_none_in_its_match(tmp_path: Path) -> None:
    match = 'match = { form = "x", size = { over = "2MB", under = "1MB" } }'
    text = f'[account]\naddress = "a@nhs.net"\n[[route]]\nname = "a"\nhandlers = ["x"]\n{match}\n' + ROUTE
    assert [fault.split(": ")[0] for fault in faults(tmp_path, text)] == [
        "[[route]] 1, match.form",
        "[[route]] 1, match.size",
    ]


@pytest.mark.parametrize(
    "route",
    [
        "{}",
        "3",
        '{"name": "a b", "match": {"kind": 3}, "handlers": "x", "continue": "perhaps", "order": 1, "waits": []}',
        '{"name": "a", "match": {"from": "", "size": 3}, "handlers": ["no such", 3]}',
        '{"name": "a", "handlers": []}',
        '{"name": "a", "match": 0, "handlers": ["archive"]}',
    ],
)
def test_a_route_with_nothing_right_is_a_report_all_the_same(route: str) -> None:
    text = f'[{route}, {{"name": "all", "handlers": ["archive"]}}]'
    with pytest.raises(SettingsError) as caught:
        load(None, {**ENVIRON, "NHSMAIL_ACCOUNT__ADDRESS": "a@nhs.net", "NHSMAIL_ROUTE": text})
    assert all(fault.startswith("[[route]] 1") for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[account\npassword = 'hunter-two-22'", "isn't TOML (at line 1, column 9)"),
        (b"password = hunter-two-22", "isn't TOML"),
        (b"[poll]\n[poll]\n", "given twice"),
        (b"\xff\xfe", "isn't UTF-8"),
        (None, "there is no such file"),
    ],
)
def test_a_file_that_cant_be_read_is_one_fault_and_hides_none_of_the_environment(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "worker.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(path, {"NHSMAIL_POLL__EVERY": "soon"})
    assert len(caught.value.faults) == 2
    assert said in caught.value.faults[0]
    assert caught.value.faults[1].startswith("[poll] every (from NHSMAIL_POLL__EVERY): ")
    assert "hunter" not in str(caught.value)


def test_a_folder_in_place_of_the_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        load(tmp_path, ENVIRON)


# --- promises --------------------------------------------------------------------------------------------------------

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(variable(place) for place in places_of(Settings))), _values, max_size=8))
def test_no_environment_raises_anything_but_faults_that_name_a_setting(environ: dict[str, object]) -> None:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in environ.items()}
    with pytest.raises(SettingsError) as caught:  # there is no route in any of them
        load(None, texts, checks=())
    assert all(re.match(r"\[.+\].*: .+\.", fault, re.DOTALL) or "NHSMAIL_" in fault for fault in caught.value.faults)


@given(
    st.integers(min_value=1, max_value=65535),
    st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=1000)),
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=9), min_size=1, max_size=4
    ),
    st.booleans(),
)
def test_what_the_environment_says_is_what_the_settings_hold(
    port: int, every: timedelta, folders: list[str], idle: bool
) -> None:
    from worker.settings import format_duration

    folders = [f"f{number}-{name}" for number, name in enumerate(folders)]
    settings = load(
        None,
        {
            **ENVIRON,
            "NHSMAIL_ACCOUNT__ADDRESS": "results@nhs.net",
            "NHSMAIL_ROUTE": '[{"name": "all", "handlers": ["archive"]}]',
            "NHSMAIL_ACCOUNT__PORT": str(port),
            "NHSMAIL_POLL__EVERY": format_duration(every),
            "NHSMAIL_POLL__FOLDERS": json.dumps(folders),
            "NHSMAIL_POLL__IDLE": json.dumps(idle),
        },
    )
    assert settings.account.port == port
    assert settings.poll.every == every
    assert settings.poll.folders == tuple(folders)
    assert settings.poll.idle is idle


# -- what the worker minds about handlers


def test_the_workers_keys_of_a_handler_are_not_the_handlers(tmp_path: Path) -> None:
    table = (
        '[handler.archive]\nurl = "file:///a"\nisolate = true\ntime_limit = "2m"\nconcurrency = 3\nmemory = "1GB"\n'
        'pause_after = 0\npauses = ["1m"]\n'
    )
    handler = load(written(tmp_path, minimal(table)), ENVIRON).handlers["archive"]
    assert (handler.isolate, handler.time_limit, handler.concurrency) == (True, timedelta(minutes=2), 3)
    assert (handler.memory, handler.pause_after, handler.pauses) == (10**9, 0, (timedelta(minutes=1),))
    assert handler.options == {"url": "file:///a"}


def test_the_environment_sets_them_too(tmp_path: Path) -> None:
    given = {
        "NHSMAIL_HANDLER__ARCHIVE__ISOLATE": "true",
        "NHSMAIL_HANDLER__ARCHIVE__CONCURRENCY": "2",
        "NHSMAIL_HANDLER__ARCHIVE__PAUSES": '["5s", "10s"]',
        "NHSMAIL_HANDLER__ARCHIVE__URL": "file:///a",
    }
    handler = load(written(tmp_path, minimal()), ENVIRON | given).handlers["archive"]
    assert (handler.isolate, handler.concurrency) == (True, 2)
    assert handler.pauses == (timedelta(seconds=5), timedelta(seconds=10))
    assert handler.options == {"url": "file:///a"}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('time_limit = "0s"', "time_limit"),
        ("time_limit = 10", "time_limit"),
        ("concurrency = 0", "concurrency"),
        ('isolate = "perhaps"', "isolate"),
        ("pause_after = -1", "pause_after"),
        ("pauses = []", "pauses"),
        ('pauses = "soon"', "pauses"),
        ("memory = 5", "memory"),
    ],
)
def test_one_that_cant_be_is_a_fault_that_names_it(tmp_path: Path, line: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, minimal(f"[handler.archive]\n{line}\n")), ENVIRON)
    (fault,) = caught.value.faults
    assert fault.startswith(f"[handler.archive] {named}")


def test_a_route_asks_for_the_order_of_senders_or_for_none(tmp_path: Path) -> None:
    assert load(written(tmp_path, minimal()), ENVIRON).routes[0].order == "none"
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, minimal().replace("handlers =", 'order = "size"\nhandlers =')), ENVIRON)
    assert "order" in caught.value.faults[0]
