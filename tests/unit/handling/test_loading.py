"""Handlers by name: what is found, what is refused, and every fault at once."""

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from worker.handling.loading import Handler, check_handlers, load_handler, load_handlers
from worker.settings import Settings, SettingsError, load
from worker.testing import make_message

MODULE = """
from datetime import timedelta
from pydantic import BaseModel, SecretStr

CALLS = []

def plain(message):
    CALLS.append(("plain", message))

def two(message, other): ...
async def promise(message): ...
def lazily(message):
    yield message
def hidden_promise(message):
    return promise(message)

class NoCall: ...

class Simple:
    def __call__(self, message):
        CALLS.append(("simple", message))

class Configured:
    class Settings(BaseModel):
        url: str
        every: timedelta = timedelta(seconds=1)
        limit: int = 3
        names: list[str] = []
        token: SecretStr | None = None

    def __init__(self, settings):
        self.settings = settings
        if settings.limit == 13:
            raise PermissionError(f"not with {settings.token.get_secret_value() if settings.token else settings.url}")

    def __call__(self, message):
        CALLS.append((self.settings.url, message))

    def flush(self):
        CALLS.append("flush")

    def close(self):
        CALLS.append("close")

class WrongSettings:
    class Settings: ...
    def __call__(self, message): ...

class NeedsMore:
    def __init__(self, more): ...
    def __call__(self, message): ...

class TakesNone:
    class Settings(BaseModel): ...
    def __init__(self): ...
    def __call__(self, message): ...

ready = Simple()
number = 3
"""


RAISES = 1 + [line.strip().startswith("raise PermissionError") for line in MODULE.splitlines()].index(True)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A module of handlers to load, and what was called."""
    (tmp_path / "some_handlers.py").write_text(MODULE)
    (tmp_path / "broken_handlers.py").write_text("raise RuntimeError('no\\nlicence')\n")
    (tmp_path / "leaving_handlers.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    import some_handlers  # type: ignore[import-not-found]  # written above

    yield some_handlers.CALLS
    for name in ("some_handlers", "broken_handlers", "leaving_handlers"):
        sys.modules.pop(name, None)


def settings(folder: Path, handlers: str, tables: str = "", environ: dict[str, str] | None = None) -> Settings:
    path = folder / "worker.toml"
    path.write_text(
        f'[account]\naddress = "a@nhs.net"\n[[route]]\nname = "all"\nhandlers = {handlers}\n[junk]\n'
        f'handlers = ["some_handlers:plain"]\n{tables}'
    )
    return load(path, {"NHSMAIL_ACCOUNT__PASSWORD": "Correct-Horse-7", **(environ or {})})


def faults(folder: Path, handlers: str, tables: str = "", environ: dict[str, str] | None = None) -> list[str]:
    checked = settings(folder, handlers, tables, environ)
    with pytest.raises(SettingsError) as caught:
        load_handlers(checked)
    return caught.value.faults


def test_a_function_is_a_handler(tmp_path: Path, calls: list[Any]) -> None:
    handlers = load_handlers(settings(tmp_path, '["some_handlers:plain"]'))
    message: Any = object()
    handlers["some_handlers:plain"](message)
    assert calls == [("plain", message)]
    handlers["some_handlers:plain"].flush()
    handlers["some_handlers:plain"].close()


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


def test_two_names_for_one_class_are_two_handlers(tmp_path: Path, calls: list[Any]) -> None:
    tables = "".join(
        f'[handler.{name}]\nuse = "some_handlers:Configured"\nurl = "{name}"\n' for name in ("one", "other")
    )
    handlers = load_handlers(settings(tmp_path, '["one", "other"]', tables))
    assert handlers["one"].call is not handlers["other"].call


@pytest.mark.parametrize("name", ["some_handlers:Simple", "some_handlers:ready"])
def test_a_class_without_settings_and_an_object_will_do(tmp_path: Path, calls: list[Any], name: str) -> None:
    load_handlers(settings(tmp_path, f'["{name}"]'))[name](object())  # type: ignore[arg-type]  # it looks at nothing
    assert calls[0][0] == "simple"


def test_installed_handlers_are_found_by_their_entry_point(tmp_path: Path, calls: list[Any]) -> None:
    table = f'[handler.archive]\nurl = "file://{tmp_path}/archive"\n[handler.second]\nuse = "archive"\nurl = "file://{tmp_path}/b"\n'
    handlers = load_handlers(settings(tmp_path, '["archive", "second", "quarantine"]', table))
    assert set(handlers) == {"archive", "second", "quarantine", "some_handlers:plain"}
    for handler in handlers.values():
        handler.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("archiv", 'the nearest is "archive"'),
        ("no_such_module:x", "ModuleNotFoundError: No module named 'no_such_module'."),
        ("some_handlers:missing", 'has no "missing"'),
        ("some_handlers:", 'has no ""'),
        ("broken_handlers:x", "RuntimeError: no licence."),
        ("leaving_handlers:x", "SystemExit: 3."),
        ("some_handlers:number", "isn't callable"),
        ("some_handlers:two", "can't be called with a message alone"),
        ("some_handlers:promise", "is a coroutine or a generator"),
        ("some_handlers:lazily", "is a coroutine or a generator"),
        ("some_handlers:NoCall", "has no __call__"),
        ("some_handlers:WrongSettings", "isn't a pydantic model"),
        ("some_handlers:NeedsMore", "can't be built: write its constructor as `def __init__(self) -> None`"),
        ("some_handlers:TakesNone", "write its constructor as `def __init__(self, settings: Settings) -> None`"),
        ("some_handlers:Configured", "is missing"),
    ],
)
def test_what_cant_be_a_handler_is_a_fault(tmp_path: Path, calls: list[Any], name: str, said: str) -> None:
    (fault,) = faults(tmp_path, f'["{name}"]')
    assert fault.startswith(f"[handler.{name}]")
    assert said in fault
    assert "\n" not in fault
    assert "Traceback" not in fault


def test_only_a_handler_that_is_really_near_is_named(tmp_path: Path, calls: list[Any]) -> None:
    """Whoever takes the advice must not wire in a handler that is nothing like what was meant."""
    (far,) = faults(tmp_path, '["pathology-filing"]')
    assert far == (
        '[handler.pathology-filing]: there is no handler "pathology-filing". Is its package installed where the worker '
        'runs? If not: pip install it there. Or name an installed handler, or use = "package.module:name".'
    )
    (near,) = faults(tmp_path, '["quarantin"]')
    assert 'the nearest is "quarantine"' in near


def test_a_class_with_settings_needs_a_table_with_a_name_of_its_own(tmp_path: Path, calls: list[Any]) -> None:
    (fault,) = faults(tmp_path, '["some_handlers:Configured"]')
    assert fault == (
        "[handler.some_handlers:Configured]: it has settings (url is missing), so it needs a table with a name of its "
        'own: [handler.NAME] with use = "some_handlers:Configured" and its settings. Routes name it NAME, then.'
    )


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        ("", "found_handlers:x", 'found_handlers has no "x". Correct the name, or write it there.'),
        (
            "class PathologyFiling: ...",
            "found_handlers:PathologyFilling",
            'the nearest is "PathologyFiling". Correct the',
        ),
        ("class One:\n    class Inner: ...", "found_handlers:One.Iner", 'One has no "Iner"; the nearest is "Inner".'),
        ("def f(:", "found_handlers:f", "(found_handlers.py, line 1). Correct the handler's code."),
        (
            "import no_such_library.part",
            "found_handlers:f",
            "The handler needs it: pip install it where the worker runs.",
        ),
        (
            "from json import no_such_name",
            "found_handlers:f",
            "found_handlers:1 raised it. Correct the handler's code.",
        ),
        ("raise AttributeError('own')", "found_handlers:f", "found_handlers:1 raised it. Correct the handler's code."),
        ("", "no_such_module.x:f", "Install it where the worker runs, or put it on PYTHONPATH."),
        ("", "found_handlers.x:f", "Install it where the worker runs, or put it on PYTHONPATH."),
    ],
)
def test_what_cant_be_imported_is_told_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[Any], code: str, name: str, said: str
) -> None:
    (tmp_path / "found_handlers.py").write_text(code)
    monkeypatch.delitem(sys.modules, "found_handlers", raising=False)
    importlib.invalidate_caches()
    (fault,) = faults(tmp_path, f'["{name}"]')
    assert said in fault
    assert "PYTHONPATH" not in fault or "PYTHONPATH" in said
    sys.modules.pop("found_handlers", None)


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


def test_every_fault_of_every_handler_is_reported_at_once(tmp_path: Path, calls: list[Any]) -> None:
    tables = (
        '[handler.mine]\nuse = "some_handlers:Configured"\nlimt = 3\nevery = 3\n[handler.unused]\nuse = "nothing"\n'
    )
    found = faults(tmp_path, '["mine", "archiv", "broken_handlers:x"]', tables)
    assert sorted(fault.split(": ")[0] for fault in found) == [
        "[handler.archiv]",
        "[handler.broken_handlers:x]",
        "[handler.mine] limt",
        "[handler.mine] url",
        "[handler.unused]",
    ]
    assert sorted(check_handlers(settings(tmp_path, '["mine", "archiv", "broken_handlers:x"]', tables))) == sorted(
        found
    )


ODD = """
import asyncio
class Own(BaseException): ...
class Silent(Exception):
    def __str__(self): raise Own
def fail(): raise {error}
class Built:
    def __init__(self): fail()
    def __call__(self, message): ...
class Closed:
    def __call__(self, message): ...
    def close(self): fail()
class Judging:
    from pydantic import BaseModel, model_validator
    class Settings(BaseModel):
        from pydantic import model_validator
        @model_validator(mode="after")
        def judge(self): fail()
    def __init__(self, settings): ...
    def __call__(self, message): ...
{at_import}
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Writes a module whose parts fail with this error; at its import that runs what is given."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(error: str, at_import: str) -> None:
        (tmp_path / "odd_handlers.py").write_text(ODD.format(error=error, at_import=at_import))
        importlib.invalidate_caches()

    yield write
    sys.modules.pop("odd_handlers", None)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("Silent", "Silent."),
        ("asyncio.CancelledError('no')", "CancelledError: no."),
        ("Own('mine')", "Own: mine."),
        ("KeyboardInterrupt", "KeyboardInterrupt."),
        ("GeneratorExit", "GeneratorExit."),
    ],
)
def test_whatever_a_handler_raises_at_the_start_is_told_by_its_name(
    tmp_path: Path, calls: list[Any], odd: Callable[[str, str], None], error: str, said: str
) -> None:
    odd(error, "fail()")
    (fault,) = faults(tmp_path, '["odd_handlers:Built"]')
    assert f"[handler.odd_handlers:Built]: odd_handlers:Built can't be imported: {said}" in fault
    odd(error, "")
    started = f"[handler.odd_handlers:Built]: can't be started: {said} odd_handlers:6 raised it. Put right"
    (fault,) = faults(tmp_path, '["odd_handlers:Closed", "odd_handlers:Built"]')
    assert fault.startswith(started)
    with pytest.raises(SettingsError) as caught:
        load_handler("odd_handlers:Built", {})
    assert caught.value.faults == [fault]
    assert faults(tmp_path, '["odd_handlers:Judging"]') == [
        f"[handler.odd_handlers:Judging]: its settings can't be checked: {said} odd_handlers:6 raised it."
    ]


def test_checking_builds_nothing(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x"\nlimit = 13\n'
    assert check_handlers(settings(tmp_path, '["mine"]', table)) == []


def test_a_handler_that_cant_be_started_is_a_fault_and_the_others_are_closed(tmp_path: Path, calls: list[Any]) -> None:
    tables = (
        '[handler.good]\nuse = "some_handlers:Configured"\nurl = "x"\n'
        '[handler.bad]\nuse = "some_handlers:Configured"\nurl = "here"\nlimit = 13\n'
    )
    (fault,) = faults(tmp_path, '["good", "bad"]', tables)
    assert fault == (
        f"[handler.bad]: can't be started: PermissionError: not with here. some_handlers:{RAISES} raised it. Put right "
        "what it needs: `nhsmail-worker check` tries again."
    )
    assert calls == ["close"]


def test_a_secret_is_never_quoted(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.bad]\nuse = "some_handlers:Configured"\nurl = "here"\nlimit = 13\n'
    environ = {"NHSMAIL_HANDLER__BAD__TOKEN": "hunter-two-22"}
    (fault,) = faults(tmp_path, '["bad"]', table, environ)
    assert fault == (
        f"[handler.bad]: can't be started: PermissionError. some_handlers:{RAISES} raised it. Put right what it needs: "
        "`nhsmail-worker check` tries again."
    )


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


def test_a_handler_that_only_promises_to_work_fails_at_its_first_message(calls: list[Any]) -> None:
    import some_handlers

    with pytest.raises(TypeError, match="did nothing"):
        Handler("x", some_handlers.hidden_promise)(object())  # type: ignore[arg-type]  # it looks at nothing


# -- code that goes wrong before it has a message


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Modules that don't finish in time, until the event is set."""
    go = threading.Event()
    monkeypatch.setattr(sys, "let_slow_handlers_go", go, raising=False)
    (tmp_path / "slow_import.py").write_text("import sys\nsys.let_slow_handlers_go.wait(20)\ndef one(message): ...\n")
    (tmp_path / "slow_build.py").write_text(
        "import sys\nclass One:\n    def __init__(self): sys.let_slow_handlers_go.wait(20)\n"
        "    def __call__(self, message): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield go
    go.set()
    for thread in threading.enumerate():
        if thread.name == "handler":
            thread.join()
    for name in ("slow_import", "slow_build"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "said"), [("slow_import:one", "can't be imported"), ("slow_build:One", "can't be started")]
)
def test_a_handler_that_blocks_at_start_is_a_fault_with_its_name(
    tmp_path: Path, calls: list[Any], slow: threading.Event, name: str, said: str
) -> None:
    (fault,) = faults(tmp_path, f'["{name}"]', '[work]\nstart = "100ms"\n')
    assert name in fault
    assert said in fault
    assert "[work] start" in fault


def test_a_handler_that_fails_or_leaves_at_import_is_a_fault_with_its_name(tmp_path: Path, calls: list[Any]) -> None:
    found = faults(tmp_path, '["broken_handlers:x", "leaving_handlers:x"]')
    assert len(found) == 2
    assert "broken_handlers:x" in found[0]
    assert "leaving_handlers:x" in found[1]


def test_a_handler_can_be_built_in_a_process_of_its_own(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x://y"\nisolate = true\ntime_limit = "20s"\n'
    handler = load_handlers(settings(tmp_path, '["mine"]', table))["mine"]
    handler(make_message())
    handler.close()
    assert calls == []  # nothing of it happened here


def test_one_that_cant_be_built_there_is_a_fault_without_its_secrets(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x://y"\nlimit = 13\nisolate = true\n'
    (fault,) = faults(tmp_path, '["mine"]', table, {"NHSMAIL_HANDLER__MINE__TOKEN": "a-secret"})
    assert fault.startswith("[handler.mine]: can't be started: ")
    assert "a-secret" not in fault
    assert fault.endswith("Put right what it needs: `nhsmail-worker check` tries again.")


def test_a_handler_cant_have_a_setting_by_the_name_of_one_of_the_workers(tmp_path: Path, calls: list[Any]) -> None:
    (tmp_path / "greedy_handlers.py").write_text(
        "from pydantic import BaseModel\nclass One:\n    class Settings(BaseModel):\n        memory: int = 3\n"
        "    def __init__(self, settings): ...\n    def __call__(self, message): ...\n"
    )
    (fault,) = faults(tmp_path, '["greedy_handlers:One"]')
    assert fault.startswith("[handler.greedy_handlers:One] memory: is the worker's own")
    sys.modules.pop("greedy_handlers")
