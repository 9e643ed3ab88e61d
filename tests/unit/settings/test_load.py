"""Loading: a whole configuration, and every fault reported at once."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.unit.settings.files import DESIGN, ENVIRON, PASSWORD, ROUTE, faults, minimal, written
from worker.settings import Settings, SettingsError, load
from worker.settings.model import places_of
from worker.settings.wording import variable


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
