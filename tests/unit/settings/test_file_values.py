"""Values in the file: of the setting's own type, and with paths that begin at the file's folder."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.settings.files import ENVIRON
from worker.settings import Settings, SettingsError, load

START = '[account]\naddress = "a@nhs.net"\n[[route]]\nname = "all"\nhandlers = ["archive"]\n'


def loaded(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    folder.mkdir(exist_ok=True)
    (folder / "worker.toml").write_text(text)
    return load(folder / "worker.toml", {**ENVIRON, **(environ or {})}, checks=())


def faults(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, text, environ)
    return caught.value.faults


PLAIN = ", without quotation marks."


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '[poll]\nidle = "yes"',
            "[poll] idle: must be true or false: write idle = true, without quotation marks.",
        ),
        ('[poll]\nidle = "off"', "[poll] idle: must be true or false: write idle = false, without quotation marks."),
        ("[poll]\nidle = 1", "[poll] idle: must be true or false: write idle = true."),
        ('[poll]\nbatch_count = "50"', f"[poll] batch_count: must be a number: write batch_count = 50{PLAIN}"),
        ("[poll]\nbatch_count = true", "[poll] batch_count: must be a number."),
        ("[poll]\nbatch_count = 50.0", "[poll] batch_count: must be a number: write batch_count = 50."),
        ('[lockout]\njitter = "0.2"', f"[lockout] jitter: must be a number: write jitter = 0.2{PLAIN}"),
        ('[junk]\nscl = "6"', "[junk] scl: must be a number: write scl = 6, without quotation marks."),
        ('[mailbox]\nwarn = ["70", 90]', "[mailbox] warn: must be a number: write warn = [70, 90]."),
        (
            '[handler.archive]\nisolate = "yes"',
            "[handler.archive] isolate: must be true or false: write isolate = true, without quotation marks.",
        ),
    ],
)  # fmt: skip
def test_what_only_the_environment_could_mean_is_refused_with_the_right_form(
    tmp_path: Path, text: str, fault: str
) -> None:
    assert faults(tmp_path, f"{START}{text}\n") == [fault]


def test_so_it_is_in_the_account_and_in_a_route(tmp_path: Path) -> None:
    text = START.replace('"a@nhs.net"', '"a@nhs.net"\nport = "993"').replace('"all"', '"all"\ntries = "3"')
    assert faults(tmp_path, text) == [
        "[account] port: must be a number: write port = 993, without quotation marks.",
        "[[route]] 1, tries: must be a number: write tries = 3, without quotation marks.",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[poll]\nidle = false\nbatch_count = 50",
        "[lockout]\njitter = 0",
        '[junk]\nscl = "off"\nbcl = 3',
        '[limits]\nmessage = "10MB"',
        '[handler.archive]\nisolate = { user = "nobody" }',
        "[mailbox]\nwarn = [70, 90]",
    ],
)
def test_what_is_written_as_it_should_be_is_taken(tmp_path: Path, text: str) -> None:
    loaded(tmp_path, f"{START}{text}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [('[poll]\nidle = "perhaps"', "must be true or false."), ('[poll]\nbatch_count = "1000"', "must be at most 500.")],
)
def test_a_value_that_no_form_would_save_is_reported_once(tmp_path: Path, text: str, said: str) -> None:
    (fault,) = faults(tmp_path, f"{START}{text}\n")
    assert fault.endswith(said)


def test_the_environment_has_nothing_but_text(tmp_path: Path) -> None:
    environ = {"NHSMAIL_POLL__IDLE": "no", "NHSMAIL_ACCOUNT__PORT": "1993", "NHSMAIL_HANDLER__ARCHIVE__ISOLATE": "true"}
    settings = loaded(tmp_path, f'{START}[poll]\nidle = "yes"\n[handler.archive]\nurl = "x"\n', environ)
    assert (settings.poll.idle, settings.account.port) == (False, 1993)
    assert settings.handlers["archive"].isolate is True


def test_relative_paths_begin_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = START.replace('"a@nhs.net"', '"a@nhs.net"\nca_file = "certificates/ca.pem"')
    settings = loaded(tmp_path / "etc", f'{text}[state]\ndir = "../state"\n[handler.archive]\nurl = "x"\n')
    assert settings.account.ca_file == tmp_path / "etc" / "certificates" / "ca.pem"
    assert settings.state.dir == tmp_path / "etc" / ".." / "state"
    assert settings.handlers["archive"].folder == tmp_path / "etc"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert load(Path("../etc/worker.toml"), ENVIRON, checks=()).state.dir == Path(
        tmp_path / "other" / ".." / "etc" / ".." / "state"
    )


def test_absolute_ones_and_those_of_the_environment_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = START.replace('"a@nhs.net"', '"a@nhs.net"\nca_file = "/etc/ssl/ca.pem"')
    environ = {"NHSMAIL_STATE__DIR": "state"}
    settings = loaded(tmp_path / "etc", f'{text}[state]\ndir = "beaten"\n', environ)
    assert (settings.account.ca_file, settings.state.dir) == (Path("/etc/ssl/ca.pem"), Path("state"))


def test_a_password_of_the_environment_still_beats_a_file_with_a_relative_name(tmp_path: Path) -> None:
    text = START.replace('"a@nhs.net"', '"a@nhs.net"\npassword_file = "password"')
    assert loaded(tmp_path, text).account.password_file is None


def test_a_state_folder_that_would_be_left_behind_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another one the count of login attempts would be lost, and all mail handled again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()
    text = f'{START}[state]\ndir = "state"\n'
    (fault,) = faults(tmp_path / "etc", text)
    assert fault == (
        "[state] dir: is a relative path. It begins at the folder of the configuration file, so it means "
        f"{tmp_path}/etc/state, which isn't there. {tmp_path}/state is there. Write the path that you mean in full."
    )
    (tmp_path / "etc" / "state").mkdir()
    assert loaded(tmp_path / "etc", text).state.dir == tmp_path / "etc" / "state"


@pytest.mark.parametrize("written", [{"route": 1}, {"route": [1]}, {"handler": 1}, {"handler": {"a": 1}}, {"poll": 1}])
def test_tables_that_are_none_are_left_to_others(tmp_path: Path, written: dict[str, Any]) -> None:
    import tomli_w

    (tmp_path / "worker.toml").write_text(tomli_w.dumps({"account": {"address": "a@nhs.net"}, **written}))
    with pytest.raises(SettingsError):
        load(tmp_path / "worker.toml", ENVIRON, checks=())
