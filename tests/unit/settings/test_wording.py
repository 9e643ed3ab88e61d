"""Faults name the nearest known setting."""

from pathlib import Path

import pytest

from tests.unit.settings.files import ENVIRON, PASSWORD, minimal, one_fault
from worker.settings import SettingsError, load


@pytest.mark.parametrize(
    ("table", "named", "nearest"),
    [
        ("[poll]\nevry = 1\n", "[poll] evry", "[poll] every (NHSMAIL_POLL__EVERY)"),
        ("[poll]\nthreshold = 1\n", "[poll] threshold", "[lockout] threshold (NHSMAIL_LOCKOUT__THRESHOLD)"),
        ("[pol]\nevery = 1\n", "[pol]", "[poll]"),
        ("[account.oauth]\nclientid = 1\n", "[account.oauth] clientid", "[account.oauth] client_id"),
        ("[zzz]\n", "[zzz]", "The nearest is ["),
        ("[settle]\nx = 1\n", "[settle] x", "The nearest is ["),
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
        ("NHSMAIL_POLL__EVERY__X", "is inside a setting that isn't a table"),
        ("NHSMAIL_POLL__", "has an empty part"),
    ],
)
def test_an_unknown_variable_names_the_nearest(tmp_path: Path, name: str, nearest: str) -> None:
    fault = one_fault(tmp_path, minimal('[poll]\nevery = "1m"\n'), {**ENVIRON, name: PASSWORD + "x"})
    assert name in fault
    assert nearest in fault
    assert PASSWORD + "x" not in fault


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ('matches = { from = "a" }', "The nearest is [[route]] 1, match."),
        ('match = { form = "a" }', "The nearest is [[route]] 1, match.from."),
        ('match = { attachement = "a" }', "The nearest is [[route]] 1, match.attachment."),
    ],
)
def test_the_nearest_of_a_wrong_condition_is_named(tmp_path: Path, wrong: str, nearest: str) -> None:
    path = tmp_path / "worker.toml"
    last = '[[route]]\nname = "last"\nhandlers = ["archive"]\n'
    path.write_text(
        f'[account]\naddress = "a@nhs.net"\n[[route]]\nname = "all"\nhandlers = ["archive"]\n{wrong}\n{last}'
    )
    with pytest.raises(SettingsError) as caught:
        load(path, ENVIRON, checks=())
    assert any(nearest in fault for fault in caught.value.faults), caught.value.faults


def test_a_table_within_a_table_is_a_nearest_one_too(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, minimal("[alerts.rely]\nport = 25\n"), ENVIRON)
    assert "The nearest is [alerts.relay]" in fault
