"""What of the guard's events goes into the audit trail."""

from contextlib import suppress
from typing import Any, cast

import pytest

from tests.unit.conftest import Lines
from tests.unit.login.world import World
from worker.login.refusals import CredentialRefused
from worker.mailbox.errors import LoginFailed
from worker.observe.announcer import Announcer
from worker.observe.metrics import Metrics


class Trail:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def record(self, kind: str, /, *, who: str | None = None, words: str = "", **fields: Any) -> None:
        self.lines.append({"kind": kind, "who": who, **fields, **({"words": words} if words else {})})


def lines_of(world: World) -> list[dict[str, Any]]:
    trail = Trail()
    announcer = Announcer(cast("Any", trail), Metrics())
    for name, fields in world.events:
        announcer(name, fields)
    return trail.lines


def test_every_line_of_the_login_says_who_and_how_many_are_left() -> None:
    world = World()
    for answer in ("honest", "locked"):
        with suppress(LoginFailed):
            world.login(0, answer)
    world.processes[1][1].reset("unlocked", actor="person")
    world.configured = "short"
    with suppress(CredentialRefused):
        world.login(0)
    attempted = {"kind": "login.attempted", "who": "replica", "credential": "password", "remaining": 8}
    answered = {"kind": "login.answered", "who": "replica", "credential": "password"}
    assert lines_of(world) == [
        attempted,
        {**answered, "outcome": "succeeded", "failures": 0, "remaining": 8},
        attempted,
        {**answered, "outcome": "locked", "failures": 1, "remaining": 7},
        {"kind": "login.halted", "who": "replica", "reason": "locked", "failures": 1, "remaining": 7},
        {"kind": "login.reset", "who": "person", "failures": 1, "remaining": 8, "words": "unlocked"},
        {"kind": "login.halted", "who": "replica", "reason": "policy", "failures": 0, "remaining": 8},
    ]


@pytest.mark.parametrize("method", ["browser", "device", "pasted"])
def test_a_sign_in_stands_in_the_trail_and_its_end_in_the_log(lines: Lines, method: str) -> None:
    trail = Trail()
    announcer = Announcer(cast("Any", trail), Metrics())
    announcer.authorised("person", method)
    assert lines.all == []
    announcer.authorised("person", method, "It ends.")
    assert (lines.one["event"], lines.one["level"], lines.one["advice"]) == (
        "login.public_client",
        "warning",
        "It ends.",
    )
    assert trail.lines == [{"kind": "login.authorised", "who": "person", "method": method}] * 2


def test_what_a_person_acknowledges_stands_in_the_trail() -> None:
    trail = Trail()
    Announcer(cast("Any", trail), Metrics()).acknowledged("person", 3, "the old host's")
    assert trail.lines == [{"kind": "mail.acknowledged", "who": "person", "count": 3, "words": "the old host's"}]


@pytest.mark.parametrize("advises", [True, False])
def test_a_command_that_prints_the_advice_itself_has_it_in_no_event(lines: Lines, *, advises: bool) -> None:
    world, other = World(), World()
    with suppress(LoginFailed):
        world.login(0, "rejected")
    with suppress(LoginFailed):
        other.login(0, "locked")
    announcer = Announcer(cast("Any", Trail()), Metrics(), advises=advises)
    for name, fields in (*world.events, *other.events):
        announcer(name, fields)
    told = [line for line in lines.all if line["event"] in ("login.cooling", "login.halted")]
    assert {line["event"] for line in told} == {"login.cooling", "login.halted"}
    assert all(("advice" in line) is advises for line in told)
