"""Routes, their conditions, and the worker's own keys in a handler's table."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.settings.files import ENVIRON, ROUTE, minimal, one_fault, written
from worker.settings import SettingsError, load


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
        ("isolate = 3", "isolate"),
        ("isolate = {}", "isolate"),
        ("isolate = { user = 65534 }", "isolate"),
        ('isolate = { user = "" }', "isolate"),
        ('isolate = { user = "x", group = "y" }', "isolate"),
        ('isolate = ["x"]', "isolate"),
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


@pytest.mark.parametrize(
    ("table", "given", "isolate", "user"),
    [
        ("", {}, False, None),
        ("isolate = false", {}, False, None),
        ("isolate = true", {}, True, None),
        ('isolate = { user = "games" }', {}, True, "games"),
        ('isolate.user = "65534"', {}, True, "65534"),
        ("isolate = false", {"": '{"user": "games"}'}, True, "games"),
        ("isolate = true", {"": "no"}, False, None),
        ("", {"__USER": "games"}, True, "games"),
        ('isolate.user = "games"', {"__USER": "lp"}, True, "lp"),
        ('isolate.user = "games"', {"__USER": "65534"}, True, "65534"),
    ],
)
def test_isolation_may_name_another_user(
    tmp_path: Path, table: str, given: dict[str, str], *, isolate: bool, user: str | None
) -> None:
    environ = ENVIRON | {f"NHSMAIL_HANDLER__ARCHIVE__ISOLATE{name}": value for name, value in given.items()}
    handler = load(written(tmp_path, minimal(f"[handler.archive]\n{table}\n")), environ).handlers["archive"]
    assert (bool(handler.isolate), handler.user, handler.options) == (isolate, user, {})


def test_a_user_from_the_environment_beside_a_plain_word_in_the_file_is_a_fault(tmp_path: Path) -> None:
    environ = ENVIRON | {"NHSMAIL_HANDLER__ARCHIVE__ISOLATE__USER": "games"}
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, minimal("[handler.archive]\nisolate = true\n")), environ)
    (fault,) = caught.value.faults
    assert fault.startswith("NHSMAIL_HANDLER__ARCHIVE__ISOLATE__USER: is inside a setting that isn't a table")


def test_a_route_asks_for_the_order_of_senders_or_for_none(tmp_path: Path) -> None:
    assert load(written(tmp_path, minimal()), ENVIRON).routes[0].order == "none"
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, minimal().replace("handlers =", 'order = "size"\nhandlers =')), ENVIRON)
    assert "order" in caught.value.faults[0]


def test_how_long_mail_holds_its_senders_later_mail_is_the_routes(tmp_path: Path) -> None:
    route = load(written(tmp_path, minimal()), ENVIRON).routes[0]
    assert (route.order_wait, route.order_retry_wait) == (timedelta(minutes=1), timedelta(minutes=10))
    waits = 'order = "sender"\norder_wait = "0s"\norder_retry_wait = "2h"\nhandlers ='
    route = load(written(tmp_path, minimal().replace("handlers =", waits)), ENVIRON).routes[0]
    assert (route.order_wait, route.order_retry_wait) == (timedelta(0), timedelta(hours=2))
