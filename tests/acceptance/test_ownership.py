"""Commands that a person runs as root beside a worker that isn't: what they make must be the worker's."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.worker import Worker
from worker.login.token_cache import TokenCache
from worker.private_files import owned, owned_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files that others can't have")

NOBODY = 65534
COMMANDS = (
    ("login", "reset", "--reason", "unlocked"),
    ("check", "--connect"),
    ("pause",),
    ("resume",),
    ("once",),
    ("junk", "list"),
    ("journal", "compact"),
    ("status",),
    ("audit", "verify"),
)


def give(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)


def not_theirs(folder: Path) -> list[str]:
    """What somebody else can't read and write there, tried as that user in a process of its own."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    place, (reading, writing) = os.open(folder, os.O_RDONLY), os.pipe()
    if (child := os.fork()) == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        for path in paths:
            try:
                os.close(os.open(path, os.O_RDWR, dir_fd=place))
            except OSError:
                os.write(writing, f"{path}\n".encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    os.close(place)
    with os.fdopen(reading) as told:
        return told.read().split()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("began", [False, True], ids=["first", "later"])
def test_a_command_as_root_shuts_the_worker_out_of_nothing(
    make_worker: Callable[..., Worker], command: tuple[str, ...], *, began: bool
) -> None:
    worker = make_worker()
    if began:
        assert worker.once() == 0
    worker.state.mkdir(exist_ok=True)
    give(worker.state)
    assert worker.command(*command).code == 0
    assert not_theirs(worker.state) == []


def test_a_sign_in_as_root_is_the_workers(tmp_path: Path) -> None:
    give_only(tmp_path)
    TokenCache(tmp_path).save("{}", user="pathology.results@nhs.net")
    assert not_theirs(tmp_path) == []


def test_a_link_to_something_else_isnt_given_away(tmp_path: Path) -> None:
    state, other = tmp_path / "state", tmp_path / "other"
    state.mkdir()
    other.touch()
    os.link(other, state / "second")
    (state / "folder").symlink_to(tmp_path, target_is_directory=True)
    give_only(state)
    descriptor = os.open(state / "second", os.O_RDWR)
    os.close(owned(descriptor, state))
    owned_folder(state / "folder")
    assert (other.stat().st_uid, tmp_path.stat().st_uid) == (0, 0)


def give_only(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)


def test_what_is_anothers_stays_anothers(tmp_path: Path) -> None:
    give_only(tmp_path)
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT, 0o600)
    os.fchown(descriptor, 1, 1)
    os.close(owned(descriptor, tmp_path))
    assert (tmp_path / "file").stat().st_uid == 1
