"""The log: what gets out, in which form, and that nothing else does."""

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.conftest import Lines
from worker.logs.log import bound, configure, get_logger
from worker.logs.redaction import FIELDS, REFUSED, Content, Secret, described, passed

MARK = "Patient-Zebedee"
KEY = "abcdefghijklmnopqrstuvwxyz"
log = get_logger()


def test_an_event_is_one_line_with_time_level_and_listed_fields(lines: Lines) -> None:
    log.info("http.listening", host="127.0.0.1", port=8080)
    assert lines.one == {
        "at": "2026-11-18T11:06:40.000Z",
        "level": "info",
        "event": "http.listening",
        "host": "127.0.0.1",
        "port": 8080,
    }


def test_trouble_comes_with_what_to_do(lines: Lines) -> None:
    log.error("http.failed", url_path="metrics")
    assert "Report" in lines.one["do"]


def test_a_field_that_the_event_does_not_have_is_named_and_dropped(lines: Lines) -> None:
    log.info("http.listening", subject=MARK, uid=7)
    assert lines.one["dropped"] == ["subject", "uid"]
    assert MARK not in lines.raw


def test_an_event_that_is_not_listed_is_dropped_whatever_its_name_holds(lines: Lines) -> None:
    log.info(f"got {MARK}", subject=MARK)
    log.info("lab.results", port=1)
    log.info("got %s", MARK)
    log.info(Content(MARK))  # type: ignore[arg-type]  # the mistake itself
    assert [line["event"] for line in lines.all] == ["log.unlisted"] * 4
    assert all(line["where"].startswith(f"{__name__}:") for line in lines.all)
    assert MARK not in lines.raw
    assert "lab" not in lines.raw.replace("unlabelled", "")


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("name", "value", "out"),
    [
        ("handler", "archive", "archive"),
        ("handler", f"two words {MARK}", REFUSED),
        ("handler", "a/b", REFUSED),
        ("handler", "someone@lab.nhs.uk", REFUSED),
        ("handler", Content("archive"), REFUSED),
        ("handler", ["archive"], REFUSED),
        ("handler", None, None),
        ("state", Colour.RED, "red"),
        ("key", KEY, KEY),
        ("key", f"{KEY}-2", f"{KEY}-2"),
        ("key", KEY[:-1], REFUSED),
        ("folder", "Éléments supprimés/Lab", "Éléments supprimés/Lab"),
        ("folder", "a\nb", REFUSED),
        ("port", 993, 993),
        ("port", "993", REFUSED),
        ("port", True, REFUSED),
        ("seconds", 1.23456, 1.235),
        ("seconds", timedelta(minutes=1), 60.0),
        ("seconds", float("nan"), REFUSED),
        ("seconds", float("inf"), REFUSED),
        ("uid", 2**60, REFUSED),
        ("next_at", datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00.000Z"),
        ("next_at", 0, "1970-01-01T00:00:00.000Z"),
        ("next_at", 1e30, REFUSED),
        ("next_at", "soon", REFUSED),
        ("idle", True, True),
        ("idle", 1, REFUSED),
        ("account", "lab@nhs.net", "lab@nhs.net"),
        ("account", "other@nhs.net", REFUSED),
        ("no_such_field", 1, REFUSED),
    ],
)
def test_a_value_leaves_only_in_the_form_of_its_field(name: str, value: object, out: object) -> None:
    assert passed(name, value, account="lab@nhs.net") == out


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from([*FIELDS, "subject", "body", "exc_info", "stack_info", "level", "at"]),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.binary(), st.datetimes(), st.text(),
            st.builds(Content, st.text()), st.lists(st.text()), st.builds(ValueError, st.text()),
            st.sampled_from([st, len, object(), sys]),
        ),
    ),
    event=st.sampled_from(["http.listening", "alert.sent", "nothing.listed", ""]),
)  # fmt: skip
def test_whatever_is_given_a_line_comes_out_and_nothing_is_raised(
    lines: Lines, fields: dict[str, Any], event: str
) -> None:
    lines.configure()
    log.info(event, **fields)
    assert lines.one["event"] in {event, "log.unlisted"}
    assert lines.one["level"] == "info"


@pytest.mark.parametrize("kind", [Content, Secret])
def test_content_refuses_to_be_formatted(kind: type[Content]) -> None:
    content = kind(MARK)
    marker = f"<{kind.__name__.lower()}>"
    assert str(content) == repr(content) == f"{content}" == f"{content:>40}" == "%s" % content == marker  # noqa: UP031 -- that way too
    assert content.reveal() == MARK
    assert content == kind(MARK)
    assert len({content, kind(MARK)}) == 1
    assert content != MARK
    with pytest.raises(TypeError):
        ", ".join(["x", content])  # type: ignore[list-item]  # noqa: FLY002 -- the mistake itself
    with pytest.raises(TypeError):
        __import__("pickle").dumps(content)


class Careful(Exception):
    log_safe = True


class Heir(Careful):
    pass


for _ours in (Careful, Heir):
    _ours.__module__ = "worker.somewhere"


def _failing(error: BaseException) -> BaseException:
    password = MARK
    try:
        try:
            raise KeyError(password)  # noqa: TRY301 -- the cause has to have been raised
        except KeyError:
            raise error  # noqa: B904 -- the context is what is looked at
    except BaseException as raised:  # noqa: BLE001 -- whatever was given
        return raised


def test_an_exception_is_told_by_class_place_and_cause_without_its_text(lines: Lines) -> None:
    log.error("http.failed", exc_info=_failing(ValueError(MARK)))
    error = lines.one["error"]
    assert error["class"] == "ValueError"
    assert error["frames"][0].startswith("tests.unit.logs.test_log:")
    assert error["from"][0]["class"] == "KeyError"
    assert "text" not in error
    assert MARK not in lines.raw


def test_only_a_class_of_ours_that_says_so_itself_shows_its_text() -> None:
    assert described(Careful("the state folder\nis full"))["text"] == "the state folder is full"
    assert "text" not in described(Heir("not promised by the heir"))
    assert "text" not in described(type("Theirs", (Exception,), {"log_safe": True})("not ours"))


def test_groups_and_circles_of_exceptions_end() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    assert [cause["class"] for cause in _causes(first)] == ["KeyError"]
    group = ExceptionGroup("many", [OSError(number) for number in range(9)])
    assert len(_causes(group)) == 5


def _causes(error: BaseException) -> list[dict[str, Any]]:
    found = described(error)["from"]
    assert isinstance(found, list)
    return found


def test_frames_of_other_peoples_code_are_left_out_but_the_innermost(lines: Lines) -> None:
    def deep() -> None:
        int("no number")

    mine = __name__
    deep.__globals__["__name__"] = "worker.tested"
    try:
        deep()
    except ValueError:
        log.exception("http.failed")
    finally:
        deep.__globals__["__name__"] = mine
    assert all(frame.startswith(("worker.tested:", "tests.")) for frame in lines.one["error"]["frames"])


def test_the_key_is_bound_in_the_thread_that_works_on_it(lines: Lines) -> None:
    def work(number: int) -> None:
        with bound(key=f"{KEY}-{number}"):
            log.info("http.listening", port=number)

    with bound(key=KEY), ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(2, 40)))
    log.info("http.listening", port=0)
    assert {line["port"]: line.get("key") for line in lines.all} == {
        0: None,
        **{number: f"{KEY}-{number}" for number in range(2, 40)},
    }


def test_lower_levels_are_left_out(lines: Lines) -> None:
    lines.configure(level="warning")
    log.info("http.listening", port=1)
    log.warning("http.status_unreadable")
    assert lines.one["event"] == "http.status_unreadable"


def test_libraries_come_through_without_what_was_filled_in(lines: Lines) -> None:
    logging.getLogger("urllib3.connectionpool").warning("Retrying after %s", MARK)
    logging.getLogger("urllib3.connectionpool").warning(f"already filled in: {MARK}")
    logging.getLogger("mailparser.core").warning("content type %s is odd", MARK)
    logging.getLogger("apscheduler").error("job %s", MARK, exc_info=_failing(ValueError(MARK)))
    logging.getLogger("imapclient").debug("%s", MARK)
    logging.getLogger("kombu").warning("%d", "not a number")
    assert [(line["event"], line["library"], line.get("template")) for line in lines.all] == [
        ("library.warning", "urllib3.connectionpool", "Retrying after %s"),
        ("library.warning", "urllib3.connectionpool", None),
        ("library.warning", "mailparser.core", None),
        ("library.error", "apscheduler", "job %s"),
        ("library.warning", "kombu", "%d"),
    ]
    assert all(line["where"].startswith("test_log:") for line in lines.all)
    assert MARK not in lines.raw


def test_pythons_warnings_come_through_without_their_text(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        lines.configure()
        warnings.warn(MARK, UserWarning, stacklevel=1)
    assert lines.one["category"] == "UserWarning"
    assert MARK not in lines.raw


def test_what_nobody_caught_comes_through(lines: Lines) -> None:
    error = _failing(ValueError(MARK))
    sys.excepthook(type(error), error, error.__traceback__)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    thread = threading.Thread(target=lambda: 1 // 0)
    hook = threading.excepthook
    thread.start()
    thread.join()
    assert threading.excepthook is hook
    assert [line["event"] for line in lines.all] == ["worker.crashed", "worker.thread_died"]
    assert MARK not in lines.raw


def test_a_log_that_cannot_be_written_stops_nothing(lines: Lines) -> None:
    class Disk(io.RawIOBase):
        full = True

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            if self.full:
                raise OSError(28, "no space left on device")
            return len(data)

    disk = Disk()
    with io.TextIOWrapper(io.BufferedWriter(disk), write_through=True) as stream:
        configure(format="json", stream=stream, hooks=False)
        log.info("http.listening", port=1)
        assert lines.raw == ""
        disk.full = False


def test_a_log_that_nobody_configured_lets_no_more_out() -> None:
    program = (
        "from worker.logs import get_logger\n"
        f"get_logger().info('http.listening', subject='{MARK}')\n"
        f"get_logger().error('http.failed', subject='{MARK}', url_path='metrics')\n"
        f"get_logger().error('{MARK}')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["http.failed", "log.unlisted"]
    assert MARK not in done.stderr


def test_a_terminal_gets_readable_lines_with_the_frames_below(lines: Lines) -> None:
    lines.configure(format="text")
    log.error("http.failed", url_path="metrics", exc_info=_failing(ValueError(MARK)))
    assert "http.failed" in lines.raw
    assert "url_path=metrics" in lines.raw
    assert "\n    ValueError\n      at tests.unit.logs.test_log:" in lines.raw
    assert "\n    from KeyError" in lines.raw
    assert MARK not in lines.raw


def test_configuring_again_holds_for_loggers_in_use_and_doubles_nothing(lines: Lines) -> None:
    log.info("http.listening", port=1)
    lines.configure()
    lines.configure()
    logging.getLogger("kombu").warning("once")
    assert len(lines.all) == 1
