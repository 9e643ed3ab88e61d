"""The log: what gets out, in which form, and that nothing else does."""

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.conftest import Lines
from tests.unit.logs.world import MARK, failing
from worker.logs.fields import FIELDS
from worker.logs.log import bound, configure, get_logger
from worker.logs.redaction import Content
from worker.logs.typed import VARIABLE

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


def test_what_to_do_names_commands_as_they_are_typed_here(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "nhsmail-worker demo")
    log.error("message.dead_letter", key="k" * 26)
    assert "`nhsmail-worker demo failed show KEY`" in lines.one["do"]


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
    logging.getLogger("apscheduler").error("job %s", MARK, exc_info=failing(ValueError(MARK)))
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
    error = failing(ValueError(MARK))
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
        "from worker.logs.log import get_logger\n"
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
    log.error("http.failed", url_path="metrics", exc_info=failing(ValueError(MARK)))
    assert "http.failed" in lines.raw
    assert "url_path=metrics" in lines.raw
    assert "\n    ValueError\n      at tests.unit.logs.world:" in lines.raw
    assert "\n    from KeyError" in lines.raw
    assert MARK not in lines.raw


def test_configuring_again_holds_for_loggers_in_use_and_doubles_nothing(lines: Lines) -> None:
    log.info("http.listening", port=1)
    lines.configure()
    lines.configure()
    logging.getLogger("kombu").warning("once")
    assert len(lines.all) == 1
