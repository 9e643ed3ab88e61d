"""The file and the environment: what is read, and which of them wins."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.unit.settings.files import ENVIRON, PASSWORD, minimal, one_fault, written
from worker.settings import SettingsError, load


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


def test_a_setting_that_is_given_twice_by_the_environment_is_a_fault(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, minimal(), {**ENVIRON, "NHSMAIL_POLL__EVERY": "1s", "nhsmail_poll__every": "2s"})
    assert "NHSMAIL_POLL__EVERY" in fault
    assert "nhsmail_poll__every" in fault


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
