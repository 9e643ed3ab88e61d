"""A handler's own table of the configuration: validated by its own model, with secrets from elsewhere."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.handling.handler_modules import MODULE, faults, only_fault, settings
from worker.handling.loading import load_handlers


def test_a_class_gets_its_own_table(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x://y"\nevery = "0.2s"\nlimit = "1kB"\n'
    handlers = load_handlers(settings(tmp_path, '["mine"]', table))
    own = handlers["mine"].call.settings  # type: ignore[attr-defined]  # the module's own class
    assert (own.url, own.every.total_seconds(), own.limit) == ("x://y", 0.2, 1000)
    handlers["mine"].flush()
    handlers["mine"].close()
    assert calls == ["flush", "close"]


def test_a_handlers_settings_may_come_from_the_environment(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x://y"\n'
    environ = {
        "NHSMAIL_HANDLER__MINE__URL": "amqp://u:p@h",
        "NHSMAIL_HANDLER__MINE__TOKEN": '["t"]',
        "NHSMAIL_HANDLER__MINE__NAMES": '["a", "b"]',
        "NHSMAIL_HANDLER__MINE__EVERY": "5m",
    }
    own = load_handlers(settings(tmp_path, '["mine"]', table, environ))["mine"].call.settings  # type: ignore[attr-defined]  # as above
    assert (own.url, own.names, own.every.total_seconds()) == ("amqp://u:p@h", ["a", "b"], 300)
    assert own.token.get_secret_value() == '["t"]'


def test_a_setting_that_is_missing_is_a_fault(tmp_path: Path, calls: list[Any]) -> None:
    assert "is missing" in only_fault(tmp_path, "some_handlers:Configured")


def test_a_class_with_settings_needs_a_table_with_a_name_of_its_own(tmp_path: Path, calls: list[Any]) -> None:
    (fault,) = faults(tmp_path, '["some_handlers:Configured"]')
    assert fault == (
        "[handler.some_handlers:Configured]: it has settings (url is missing), so it needs a table with a name of its "
        'own: [handler.NAME] with use = "some_handlers:Configured" and its settings. Routes name it NAME, then.'
    )


@pytest.mark.parametrize(
    ("table", "named", "said"),
    [
        ('url = "x"\nlimt = 3\n', "limt", "the nearest is limit"),
        ('url = "x"\nlimit = "many"\n', "limit", "must be a whole number"),
        ("", "url", "is missing"),
        ("url = 3\n", "url", "must be text"),
        ('url = "x"\nnames = [3]\n', "names.0", "must be text"),
        ('url = "x"\nevery = "soon"\n', "every", "."),
        ('url = "x"\ntoken_file = "/nowhere"\n', "token_file", "can't be read"),
    ],
)
def test_a_fault_in_a_handlers_table_names_the_setting(
    tmp_path: Path, calls: list[Any], table: str, named: str, said: str
) -> None:
    (fault,) = faults(tmp_path, '["mine"]', f'[handler.mine]\nuse = "some_handlers:Configured"\n{table}')
    assert fault.startswith(f"[handler.mine] {named}: ")
    assert said in fault


def test_a_function_takes_no_settings(tmp_path: Path, calls: list[Any]) -> None:
    (fault,) = faults(tmp_path, '["mine"]', '[handler.mine]\nuse = "some_handlers:plain"\nurl = "x"\n')
    assert fault == "[handler.mine] url: this handler has no settings. Remove it."


def test_a_handlers_secret_comes_from_a_file_of_its_own(tmp_path: Path, calls: list[Any]) -> None:
    secret = tmp_path / "token"
    secret.touch(mode=0o600)
    secret.write_text("hunter-two-22\n")
    table = f'[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x"\ntoken_file = "{secret}"\n'
    own = load_handlers(settings(tmp_path, '["mine"]', table))["mine"].call.settings  # type: ignore[attr-defined]  # as above
    assert own.token.get_secret_value() == "hunter-two-22"

    secret.chmod(0o644)
    (fault,) = faults(tmp_path, '["mine"]', table)
    assert fault.startswith("[handler.mine] token_file: ")
    assert "hunter" not in fault


def test_a_secret_that_only_the_handler_knows_to_be_one_is_refused_in_the_file(
    tmp_path: Path, calls: list[Any]
) -> None:
    (tmp_path / "some_handlers2.py").write_text(MODULE.replace("token:", "pin:").replace(".token", ".pin"))
    table = '[handler.mine]\nuse = "some_handlers2:Configured"\nurl = "x"\npin = "hunter-two-22"\n'
    (fault,) = faults(tmp_path, '["mine"]', table)
    assert fault.startswith("[handler.mine] pin: a secret doesn't belong in this file")
    assert "NHSMAIL_HANDLER__MINE__PIN" in fault
    assert "hunter" not in fault


def test_a_handler_cant_have_a_setting_by_the_name_of_one_of_the_workers(tmp_path: Path, calls: list[Any]) -> None:
    (tmp_path / "greedy_handlers.py").write_text(
        "from pydantic import BaseModel\nclass One:\n    class Settings(BaseModel):\n        memory: int = 3\n"
        "    def __init__(self, settings): ...\n    def __call__(self, message): ...\n"
    )
    (fault,) = faults(tmp_path, '["greedy_handlers:One"]')
    assert fault.startswith("[handler.greedy_handlers:One] memory: is the worker's own")
    sys.modules.pop("greedy_handlers")


def test_a_value_of_another_type_is_refused_in_the_file_with_the_right_form(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x://y"\nlimit = "5"\n'
    (fault,) = faults(tmp_path, '["mine"]', table)
    assert fault == "[handler.mine] limit: must be a number: write limit = 5, without quotation marks."
    whole = table.replace('limit = "5"\n', "")
    environ = {"NHSMAIL_HANDLER__MINE__LIMIT": "5"}
    own = load_handlers(settings(tmp_path, '["mine"]', whole, environ))["mine"].call.settings  # type: ignore[attr-defined]  # as above
    assert own.limit == 5


FILING = """
from pathlib import Path
from pydantic import BaseModel, SecretStr

class Filing:
    class Settings(BaseModel):
        folder: Path
        other: Path | None = None
        token: SecretStr | None = None

    def __init__(self, settings):
        self.settings = settings

    def __call__(self, message): ...
"""


def test_its_relative_paths_begin_at_the_folder_of_the_file(
    tmp_path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "filing_handlers.py").write_text(FILING)
    (tmp_path / "token").write_text("of the handler")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    table = '[handler.mine]\nuse = "filing_handlers:Filing"\nfolder = "filed"\ntoken_file = "token"\n'
    environ = {"NHSMAIL_HANDLER__MINE__OTHER": "other"}
    own = load_handlers(settings(tmp_path, '["mine"]', table, environ))["mine"].call.settings  # type: ignore[attr-defined]  # as above
    assert (own.folder, own.other) == (tmp_path / "filed", Path("other"))
    assert own.token.get_secret_value() == "of the handler"
    (tmp_path / "elsewhere" / "filed").mkdir()
    (fault,) = faults(tmp_path, '["mine"]', table)
    assert fault.startswith("[handler.mine] folder: is a relative path.")
    assert f"{tmp_path}/elsewhere/filed is there." in fault
    sys.modules.pop("filing_handlers")
