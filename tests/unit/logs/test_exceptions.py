"""Exceptions in the log: by class, place and cause, without their text."""

from typing import Any

from tests.unit.conftest import Lines
from tests.unit.logs.world import MARK, failing
from worker.logs.exceptions import described
from worker.logs.log import get_logger

log = get_logger()


class Careful(Exception):
    log_safe = True


class Heir(Careful):
    pass


for _ours in (Careful, Heir):
    _ours.__module__ = "worker.somewhere"


def test_an_exception_is_told_by_class_place_and_cause_without_its_text(lines: Lines) -> None:
    log.error("http.failed", exc_info=failing(ValueError(MARK)))
    error = lines.one["error"]
    assert error["class"] == "ValueError"
    assert error["frames"][0].startswith("tests.unit.logs.world:")
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
