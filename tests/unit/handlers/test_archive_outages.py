"""What `archive` says of its folder: an outage pauses the handler, trouble with a message doesn't."""

import errno
from pathlib import Path

import pytest

from handlers.archive import Archive
from worker.handling.failure import CallFailure
from worker.handling.outage import About
from worker.objects import ObjectsRefused
from worker.testing import make_message


def about(error: BaseException) -> About:
    return CallFailure.of(error, Archive.outages).about


@pytest.mark.parametrize(
    "error",
    [
        ObjectsRefused(),
        FileNotFoundError(errno.ENOENT, "x"),
        PermissionError(errno.EACCES, "x"),
        OSError(errno.ENOSPC, "x"),
    ],
)
def test_these_are_outages(error: BaseException) -> None:
    assert about(error) is About.TARGET


@pytest.mark.parametrize("error", [OSError(errno.ENAMETOOLONG, "x"), ValueError()])
def test_these_are_one_messages_own(error: BaseException) -> None:
    assert about(error) is About.MESSAGE


def test_a_folder_that_went_away_is_an_outage(tmp_path: Path) -> None:
    handler = Archive(Archive.Settings(url=(tmp_path / "archive").as_uri()))
    (tmp_path / "archive").rename(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="No such file") as caught:
        handler(make_message())
    assert about(caught.value) is About.TARGET
