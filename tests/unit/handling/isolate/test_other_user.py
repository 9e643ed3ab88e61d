"""Who another user is, whether a handler may run as that user, and what such a user can read."""

import grp
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.handling.isolate.child_process import environment
from worker.handling.isolate.other_user import OtherUser, lacking_capabilities, may_read, user_fault, user_named

GAMES = pwd.getpwnam("games")
NEEDED = {"CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}


def test_a_user_is_named_by_name_or_number_and_need_not_be_in_the_list_of_users() -> None:
    games = user_named("games")
    assert games == user_named(str(GAMES.pw_uid))
    assert (games.uid, games.gid, games.home) == (GAMES.pw_uid, GAMES.pw_gid, GAMES.pw_dir)
    assert set(games.groups) == {GAMES.pw_gid} | {group.gr_gid for group in grp.getgrall() if "games" in group.gr_mem}
    for number in (54321, 4294967294):
        assert user_named(str(number)) == OtherUser(number, number, (number,), "/")


@pytest.mark.parametrize(
    "name", ["nobody-of-that-name", "-1", "4294967295", "99999999999999999999", "9" * 5000, "１２", "a\0b", ""]
)
def test_a_user_that_cant_be_is_refused(name: str) -> None:
    assert "there is no user" in (user_fault(name) or "")


def test_root_and_the_workers_own_user_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is root" in (user_fault("root") or "")
    monkeypatch.setattr(os, "geteuid", lambda: GAMES.pw_uid)
    assert "is the worker's own user" in (user_fault("games") or "")


@pytest.mark.parametrize("lacking", [some for count in range(4) for some in combinations(NEEDED, count)], ids="-".join)
def test_every_right_that_is_lacking_is_named(monkeypatch: pytest.MonkeyPatch, lacking: tuple[str, ...]) -> None:
    everything = (1 << 41) - 1
    effective = everything & ~sum(1 << NEEDED[name] for name in lacking)
    monkeypatch.setattr(
        Path, "read_text", lambda _path: f"Name:\tx\nCapPrm:\t{everything:016x}\nCapEff:\t{effective:016x}\n"
    )
    assert set(lacking_capabilities()) == set(lacking)
    fault = user_fault("games")
    assert (fault is None) == (not lacking)
    assert all((name in (fault or "")) == (name in lacking) for name in NEEDED)


OPENER = """
import json, os, sys
from pathlib import Path
from worker.handling.isolate.other_user import OtherUser, become
for line in sys.stdin:
    uid, groups, file = json.loads(line)
    if (child := os.fork()) == 0:
        try:
            become(OtherUser(uid, uid, tuple(groups), "/"))
            os.close(os.open(file, os.O_RDONLY))
            os._exit(0)
        finally:
            os._exit(1)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture(scope="module")
def opener() -> Iterator["subprocess.Popen[str]"]:
    """A process that tries to open files as other users do. It has no other threads, so that it may fork."""
    program = [sys.executable, "-c", OPENER]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def opens(opener: "subprocess.Popen[str]", user: OtherUser, file: Path) -> bool:
    assert opener.stdin is not None
    assert opener.stdout is not None
    opener.stdin.write(json.dumps([user.uid, user.groups, str(file)]) + "\n")
    opener.stdin.flush()
    return int(opener.stdout.readline()) == 0


@given(
    modes=st.lists(st.integers(0, 0o777), min_size=3, max_size=3),
    owners=st.lists(st.tuples(st.sampled_from([0, 7, 8]), st.sampled_from([0, 7, 8])), min_size=3, max_size=3),
    groups=st.sets(st.sampled_from([7, 8, 9]), max_size=2),
)
@example(modes=[0o755, 0o755, 0o600], owners=[(0, 0)] * 3, groups=set())
@example(modes=[0o711, 0o750, 0o640], owners=[(0, 0), (0, 8), (0, 8)], groups={8})
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others, and be others")
def test_what_a_user_can_read_is_what_the_system_says(
    opener: "subprocess.Popen[str]", modes: list[int], owners: list[tuple[int, int]], groups: set[int]
) -> None:
    folder = Path(os.path.realpath(f"/tmp/may-read-{os.getpid()}"))  # noqa: S108 -- where others can come
    steps = [folder, folder / "within", folder / "within" / "file"]
    steps[1].mkdir(parents=True)
    try:
        steps[2].touch()
        for step, mode, (uid, gid) in zip(steps, modes, owners, strict=True):
            os.chown(step, uid, gid)
            step.chmod(mode)
        user = OtherUser(7, 7, (7, *sorted(groups - {7})), "/")
        assert may_read(user, steps[2]) == opens(opener, user, steps[2])
    finally:
        steps[2].unlink()
        steps[1].rmdir()
        steps[0].rmdir()


def test_a_file_that_isnt_there_is_read_by_nobody(tmp_path: Path) -> None:
    assert not may_read(OtherUser(7, 7, (7,), "/"), tmp_path / "nothing")


@given(
    st.dictionaries(
        st.sampled_from(
            ["PATH", "HOME", "TMPDIR", "LC_ALL", "TZ", "http_proxy", "NHSMAIL_ACCOUNT__PASSWORD", "PGPASSWORD"]
        )
        | st.text("ABC_", min_size=1),
        st.text("ab@:/", max_size=8),
    )
)
def test_another_users_environment_has_its_own_home_and_none_of_our_places(given: dict[str, str]) -> None:
    ours = environment(given)
    theirs = environment(given, OtherUser(7, 7, (7,), "/home/theirs"))
    assert theirs == {name: value for name, value in ours.items() if name != "TMPDIR"} | {"HOME": "/home/theirs"}
    assert not any(name.startswith(("NHSMAIL", "PG")) for name in theirs)
