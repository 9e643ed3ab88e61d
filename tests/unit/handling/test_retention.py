"""Handlers look for old copies and remove them, in any process; what they say is checked, and how long they take."""

import os
import re
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig.messages import key_of, report
from tests.unit.handling.handler_modules import settings
from tests.unit.handling.test_late_handler import Builds, late
from worker.handling.building import built
from worker.handling.handler import Handler
from worker.handling.loading import load_handlers
from worker.handling.output import OutputCapture
from worker.handling.retention import CheckedCopies, CopiesFailed
from worker.message.copies import Look, OldCopies, OldCopy, RemovedCopies
from worker.message.outcome import Retry

BEFORE = datetime(2026, 3, 1, tzinfo=UTC)
LOOK = Look(BEFORE, after="b", most=10, found=2)


class Keeper:
    """A handler that says what it is told to say."""

    def __init__(self, look: Any = None, removal: Any = None) -> None:
        self.look, self.removal = look, removal
        self.asked: list[Any] = []

    def old_copies(self, look: Look) -> Any:
        self.asked.append(look)
        return self.look() if callable(self.look) else self.look

    def remove_copies(self, names: Sequence[str], before: datetime) -> Any:
        self.asked.append((tuple(names), before))
        return self.removal() if callable(self.removal) else self.removal


def checked(keeper: Keeper, limit: float = 10.0) -> CheckedCopies:
    return CheckedCopies("keeper", keeper, OutputCapture(), limit)


def test_what_a_handler_says_is_passed_on() -> None:
    look = OldCopies((OldCopy("a" * 26, "x.1"),), "c", 3, BEFORE + timedelta(days=1), 2)
    done = RemovedCopies(("x",), ("y",), 1, True)
    keeper = Keeper(look, done)
    assert checked(keeper).old_copies(LOOK) == look
    assert checked(keeper).remove_copies(["x", "y", "z"], BEFORE) == done
    assert keeper.asked == [LOOK, (("x", "y", "z"), BEFORE)]


def copies(*names: Any, key: Any = "k" * 26, **more: Any) -> OldCopies:
    return OldCopies(tuple(OldCopy(key, name) for name in names), **more)


BAD_LOOKS: dict[str, Any] = {
    "nothing": None,
    "another type": [],
    "more than was asked for": copies("x", "y", "z"),
    "content for a name": copies("Smith, John"),
    "a path": copies("../x"),
    "an empty name": copies(""),
    "a long name": copies("x" * 201),
    "no name": copies(None),
    "no key": copies("x", key=None),
    "a part of a key": copies("x", key="k" * 12),
    "a key in capitals": copies("x", key="K" * 26),
    "content for a place": copies(after="Re: result\n"),
    "no step forward": copies(after="b"),
    "a negative number": copies(looked=-1),
    "a fraction": copies(left=0.5),
    "a time that isn't one": copies(oldest=7),
    "no copies": OldCopies(copies=7),  # type: ignore[arg-type]  # as a careless handler has it
}


@pytest.mark.parametrize("look", BAD_LOOKS.values(), ids=BAD_LOOKS)
def test_a_look_that_cannot_be_right_is_none(look: Any) -> None:
    with pytest.raises(CopiesFailed):
        checked(Keeper(look)).old_copies(LOOK)


@pytest.mark.parametrize(
    "done",
    [
        None,
        True,
        RemovedCopies(("other",)),
        RemovedCopies(refused=("other",)),
        RemovedCopies(7),  # type: ignore[arg-type]  # as a careless handler has it
        RemovedCopies(left=-1),
    ],
)
def test_a_removal_that_cannot_be_right_is_none(done: Any) -> None:
    with pytest.raises(CopiesFailed):
        checked(Keeper(removal=done)).remove_copies(["x"], BEFORE)


def raising(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize("error", [OSError("a name"), Retry("later"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_handler_raises_is_told_by_its_class(error: BaseException) -> None:
    with pytest.raises(CopiesFailed) as caught:
        checked(Keeper(raising(error))).old_copies(LOOK)
    assert "name" not in str(caught.value)


def test_one_that_hangs_is_left_and_not_asked_again_before_it_returns() -> None:
    ended = threading.Event()

    def hang() -> OldCopies:
        ended.wait(30)
        return OldCopies()

    keeper = Keeper(hang)
    bounded = checked(keeper, limit=0.05)
    for kind in ("TooLong", "NoAnswer", "NoAnswer"):
        with pytest.raises(CopiesFailed) as caught:
            bounded.old_copies(LOOK)
        assert caught.value.kind == kind
    assert len(keeper.asked) == 1
    ended.set()


def put(folder: Path, number: int) -> None:
    from handlers.archive import Archive

    handler = Archive(Archive.Settings.model_validate({"url": folder.as_uri()}))
    handler(report(number))
    handler.flush()
    os.utime(folder / key_of(number) / "message.json", (0, 0))


@pytest.mark.parametrize("isolate", ["false", "true"])
def test_archive_removes_in_this_process_and_in_one_of_its_own(tmp_path: Path, calls: list[Any], isolate: str) -> None:
    table = f'[handler.archive]\nurl = "file://{tmp_path}/archive"\nisolate = {isolate}\nremove_after = "30d"\n'
    handlers = load_handlers(settings(tmp_path, '["archive"]', table))
    try:
        put(tmp_path / "archive", 1)
        put(tmp_path / "archive", 2)
        retention = handlers.retentions["archive"]
        assert retention.remove_after == timedelta(days=30)
        found = retention.copies.old_copies(Look(BEFORE))
        assert [copy.name for copy in found.copies] == [key_of(1), key_of(2)]
        assert retention.copies.remove_copies([key_of(1)], BEFORE) == RemovedCopies((key_of(1),))
        assert not (tmp_path / "archive" / key_of(1)).exists()
        (tmp_path / "archive").rename(tmp_path / "away")
        with pytest.raises(CopiesFailed) as caught:
            retention.copies.old_copies(Look(BEFORE))
        assert caught.value.kind == "FileNotFoundError"
    finally:
        handlers.close()


def test_without_the_setting_or_the_methods_nothing_is_removed(tmp_path: Path, calls: list[Any]) -> None:
    (tmp_path / "keeping_handlers.py").write_text(
        "from datetime import timedelta\nfrom pydantic import BaseModel\n"
        "class Half:\n    class Settings(BaseModel):\n        remove_after: timedelta | None = None\n"
        "    def __init__(self, settings): ...\n    def __call__(self, message): ...\n"
        "    def old_copies(self, look): ...\n"
        "class Whole(Half):\n    def remove_copies(self, names, before): ...\n"
    )
    tables = "".join(
        f'[handler.{name}]\nuse = "keeping_handlers:{kind}"\n{more}'
        for name, kind, more in (
            ("half", "Half", 'remove_after = "3d"\n'),
            ("never", "Whole", ""),
            ("none", "Whole", 'remove_after = "0s"\n'),
            ("mine", "Whole", 'remove_after = "3d"\n'),
            ("ages", "Whole", 'remove_after = "9999999d"\n'),
        )
    )
    tables += f'[handler.archive]\nurl = "file://{tmp_path}/archive"\n'
    handlers = load_handlers(settings(tmp_path, '["half", "never", "none", "mine", "ages", "archive"]', tables))
    kept = {name: retention.remove_after.days for name, retention in handlers.retentions.items()}
    assert kept == {"mine": 3, "ages": 36_500}, "no date is as long ago as that"
    handlers.close()


@pytest.mark.usefixtures("calls")
def test_another_folder_or_store_is_another_place_and_another_time_or_secret_is_none(tmp_path: Path) -> None:
    def place(folder: str, *more: str, secret: str = "one") -> str:
        table = "\n".join(["[handler.archive]", f'url = "{folder}"', *more, ""])
        environ = {} if folder.startswith("file") else {"NHSMAIL_HANDLER__ARCHIVE__SECRET": secret}
        handlers = load_handlers(settings(tmp_path, '["archive"]', table, environ))
        handlers.close()
        return handlers.retentions["archive"].of

    here, days = f"file://{tmp_path}/archive", 'remove_after = "30d"'
    assert place(here, days) == place(here, 'remove_after = "60d"', "attachments = false") != place(f"{here}-2", days)
    store = ("s3://mail/here", days, 'options = { access_key_id = "us", region = "eu-west-2" }')
    assert place(*store) == place(*store, secret="two")
    assert place(*store) != place(*store[:2], 'options = { access_key_id = "us", region = "eu-west-1" }')


def test_a_handler_that_is_built_late_is_asked_once_it_is() -> None:
    builds = Builds()
    handler = late(builds)
    with pytest.raises(Retry):
        handler.old_copies(LOOK)
    keeper = Keeper(OldCopies(looked=3), RemovedCopies(left=1))

    class Keeps(Builds):
        def build(self) -> Handler:
            return Handler("one", lambda _message: None, copies=keeper)

    handler = late(Keeps())
    assert handler.build() is None
    asked = handler.as_handler().copies
    assert asked is not None
    assert asked.old_copies(LOOK) == OldCopies(looked=3)
    assert asked.remove_copies(["x"], BEFORE) == RemovedCopies(left=1)


def test_nothing_of_a_look_can_carry_content_out_of_a_child_process() -> None:
    """The bounds of names are those of what may stand in a log."""
    for text in ("Result of 943 476 5919", "a@b.c d", "Zoë", "x\ny", "x/y"):
        with pytest.raises(CopiesFailed):
            checked(Keeper(copies(text))).old_copies(LOOK)


def test_the_handler_that_the_page_shows_removes_what_is_old() -> None:
    page = (Path(__file__).parents[3] / "docs" / "handlers.md").read_text()
    (code,) = re.findall(r"```python\n((?:(?!```).)*def old_copies.*?)```", page, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 -- our own page
    handler = built("filing", names["Filing"], names["Filing"].Settings(remove_after="30d"))
    for number in range(1, 6):
        handler(report(number))
    assert handler.copies is not None
    kept = CheckedCopies("filing", handler.copies, OutputCapture())
    received = report(1).received_at
    assert kept.old_copies(Look(received)).oldest == received
    found = kept.old_copies(Look(received + timedelta(days=1), most=3))
    assert [copy.name for copy in found.copies] == [key_of(number) for number in (1, 2, 3)]
    assert kept.remove_copies([copy.name for copy in found.copies], received + timedelta(days=1)).removed
    rest = kept.old_copies(Look(received + timedelta(days=1), found.after))
    assert ([copy.name for copy in rest.copies], rest.after) == ([key_of(4), key_of(5)], None)
    assert kept.remove_copies((), received) == RemovedCopies()
