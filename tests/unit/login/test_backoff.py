"""When attempts are made: the schedule that a person meets with a wrong password, over seven days."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.unit.login.world import World
from worker.login.backoff import Lockout
from worker.login.refusals import Cooling, Halted
from worker.login.standing import Reason
from worker.mailbox.errors import LoginFailed

README = Path(__file__).parents[3] / "README.md"
DAY = 86_400.0
MINUTE = 60.0


def schedule(
    world: World, days: float, *, poll: float = 60.0, change_at: tuple[float, ...] = ()
) -> list[tuple[float, str]]:
    """Attempts over simulated days, with a poll a minute: seconds from the start, and what then held."""
    begun, found, changes = world.now, [], list(change_at)
    while world.now < begun + days * DAY:
        if changes and world.now - begun >= changes[0]:
            changes.pop(0)
            world.configured = f"Wrong-Password-{len(changes)}"
        sent, what = world.server.sent, ""
        try:
            world.login(0)
        except (Cooling, Halted):
            pass
        except LoginFailed:
            what = str(world.processes[0][1].status().standing.state)
        if world.server.sent > sent:
            found.append((world.now - begun, what))
        world.now += poll
    return found


def wrong(lockout: Lockout | None = None) -> World:
    world = World(lockout)
    world.configured = "Wrong-Password-9"
    return world


def test_a_wrong_password_over_seven_days(capsys: pytest.CaptureFixture[str]) -> None:
    world = wrong(Lockout(jitter=0.0))
    found = schedule(world, 7)
    assert [(at // MINUTE, state) for at, state in found] == [
        (0, "cooling"),
        (1, "cooling"),
        (11, "cooling"),
        (71, "cooling"),
        (311, "halted"),
    ]
    standing = world.processes[0][1].status().standing
    assert (standing.reason, standing.remaining, standing.failures) == (Reason.CREDENTIAL, 3, 5)
    with capsys.disabled():
        print("\n" + table(found, world))  # noqa: T201 -- the table of the README
    assert f"\n\n{table(found, world)}\n\n" in README.read_text(), "the README shows another schedule"


def table(found: list[tuple[float, str]], world: World) -> str:
    """The schedule as the README shows it."""
    rows = ["| attempt | after | left of 12 at the server | then |", "|---|---|---|---|"]
    for place, (at, state) in enumerate(found):
        hours, minutes = divmod(int(at // MINUTE), 60)
        rows.append(f"| {place + 1} | {hours} h {minutes:02} min | {world.lockout.threshold - place - 1} | {state} |")
    return "\n".join(rows)


def test_the_last_attempts_of_the_budget_are_far_apart() -> None:
    world = wrong(Lockout(jitter=0.0, per_credential=8))
    hours = [at / 3600 for at, _ in schedule(world, 7)]
    assert [round(later - sooner, 1) for sooner, later in pairwise(hours)] == [
        0.0,
        0.2,
        1.0,
        4.0,
        12.0,
        24.0,
        24.0,
    ]
    assert world.processes[0][1].status().standing.reason == Reason.BUDGET


def test_changed_passwords_are_tried_at_once_within_the_budget() -> None:
    found = schedule(wrong(), 2, change_at=tuple(ten * MINUTE for ten in range(10, 61, 10)))
    assert [int(at // MINUTE) for at, _ in found] == [0, 2, 10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_jitter_only_lengthens(share: float) -> None:
    rules = Lockout(waits=(100.0, 200.0), jitter=0.1, reconnect=(10.0, 20.0))
    assert [rules.wait_after(nth, share) for nth in (1, 2, 3, 99)] == pytest.approx(
        [wait * (1 + share / 10) for wait in (100, 200, 200, 200)]
    )
    assert [rules.pause_after(nth, share) for nth in (1, 2, 3)] == pytest.approx(
        [wait * (1 + share / 10) for wait in (10, 20, 20)]
    )
    assert rules.longest_wait == pytest.approx(220.0)


def test_the_defaults_are_the_policys() -> None:
    rules = Lockout()
    assert (rules.threshold, rules.reserve, rules.budget, rules.per_credential, rules.token_attempts) == (
        12,
        4,
        8,
        5,
        3,
    )
    assert [wait / 60 for wait in rules.waits] == [1, 10, 60, 240, 720, 1440]
    assert Lockout(threshold=3, reserve=5).budget == 0


def test_a_budget_of_nothing_is_a_halt() -> None:
    world = World(Lockout(threshold=3, reserve=3))
    with pytest.raises(Halted):
        world.login(0)
    assert world.server.sent == 0
