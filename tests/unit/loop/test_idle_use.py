"""Servers that end connections, in IDLE or out of it: how many logins that costs, and how long mail waits."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.checks import Logged
from tests.unit.loop.world import Parts
from worker.loop.connection import LASTING, LEAST_OF_MANY, MANY_LOGINS
from worker.loop.idle_use import ENDED_IN_A_ROW, GIVEN_UP_FOR, LONGEST_GIVEN_UP
from worker.mailbox.errors import ConnectionLost, MailboxError, ServerUnavailable, TokenExpired
from worker.mailbox.folders import NoJunkFolder
from worker.pipeline.report import Report

HOUR = 3600.0
EVERY = 60.0
DEFAULT = (2.0, 10.0, 30.0, 60.0, 300.0)


class Wire:
    """One connection to an `Ending`, as far as the cycle uses it."""

    selected = "INBOX"

    def __init__(self, server: "Ending") -> None:
        self.server = server
        self.made = server.now
        self.idle_since: float | None = None
        self.is_open = True

    @property
    def idling(self) -> bool:
        return self.is_open and self.idle_since is not None

    @property
    def ends_at(self) -> float:
        """When the server ends it."""
        ends = [float("inf")]
        if self.server.at_age is not None:
            ends.append(self.made + self.server.at_age)
        if self.server.in_idle is not None and self.idle_since is not None:
            ends.append(self.idle_since + self.server.in_idle)
        return min(ends)

    def has(self, capability: str) -> bool:
        return capability == "IDLE"

    def fileno(self) -> int:
        return -1

    def idle(self) -> bool:
        self.idle_since = self.server.now
        self.command()
        return bool(self.server.waiting)

    def idle_done(self) -> bool:
        self.command()
        self.idle_since = None
        return bool(self.server.waiting)

    def command(self) -> None:
        if not self.is_open or self.server.now >= self.ends_at:
            self.is_open = False
            raise self.server.error("the server ended the connection")


@dataclass
class Ending(Parts):
    """A server that ends connections, and the worker before it, in simulated time.

    in_idle: seconds after IDLE began, at each IDLE. at_age: seconds after the login. error: what the session raises.
    """

    in_idle: float | None = None
    at_age: float | None = None
    error: type[MailboxError] = ConnectionLost
    reconnect: Sequence[float] = DEFAULT
    idle: bool = True
    logged_in: list[float] = field(default_factory=list)
    refuses: bool = False
    """The server can't be reached."""
    spoilt: bool = False
    """The mailbox doesn't match the settings, which shows after the login."""

    waiting: list[float] = field(default_factory=list)
    """When the mail came that is still in the mailbox."""
    late: list[float] = field(default_factory=list)
    """How long each mail waited."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.worker = self.cycle()

    # the connector
    def session(self) -> tuple[Wire, bool]:
        if self.open is not None and self.open.is_open:
            return self.open, False
        if self.refuses:
            raise ServerUnavailable("refused")
        self.logged_in.append(self.now)
        self.logins += 1
        if self.spoilt:
            raise NoJunkFolder("set it")
        self.open = Wire(self)
        return self.open, True

    def close(self) -> None:
        self.open = None

    # the pipeline, and what it asks
    def look_anew(self, *, connected: bool) -> None:
        pass

    def poll(self, session: Wire, *, news: bool | None) -> Report:
        session.command()
        self.late += [self.now - came for came in self.waiting]
        done, self.waiting = len(self.waiting), []
        return Report(new=done)

    def next_due_at(self, *, besides: object) -> None:
        return None

    def run(self, hours: float, arrivals: Sequence[float] = ()) -> None:
        """Run for so many hours. arrivals: when mail comes, as parts of that time."""
        until = self.now + hours * HOUR
        coming = sorted(self.now + part * hours * HOUR for part in arrivals)
        while self.now < until:
            wait = self.worker()
            run_at = self.now + max(0.001, EVERY if wait is None else min(wait, EVERY))
            while True:  # until something wakes the worker
                idling = self.open is not None and self.open.idling
                if coming and coming[0] < run_at:
                    self.now = max(self.now, coming.pop(0))
                    self.waiting.append(self.now)
                    if not idling or self.now >= self.open.ends_at:
                        continue
                else:
                    ended = self.open.ends_at if idling else run_at
                    self.now = max(self.now, min(run_at, ended))
                break
        self.worker()

    def most_in_an_hour(self) -> int:
        return max(sum(at <= other < at + HOUR for other in self.logged_in) for at in self.logged_in)


def test_a_bye_after_each_idle_costs_three_connections_and_then_one_more_each_time_that_idle_is_tried() -> None:
    server = Ending(in_idle=1.0)
    server.run(1)
    assert len(server.logged_in) == ENDED_IN_A_ROW + 1
    server.run(47)
    assert len(server.logged_in) <= ENDED_IN_A_ROW + 1 + 6  # after 1, 2, 4, 8, 16 and 24 hours


def test_a_bye_in_place_of_idle_is_as_good_as_one_in_it(logged: Logged) -> None:
    server = Ending(in_idle=0.0)
    server.run(2.5)
    assert len(server.logged_in) == ENDED_IN_A_ROW + 1 + 1
    assert [(line["losses"], line["wait"]) for line in logged("idle.given_up")] == [(3, HOUR), (4, 2 * HOUR)]
    assert logged("idle.resumed") == []


@pytest.mark.parametrize("reconnect", [DEFAULT, (0.05,), (2.0,)])
def test_short_lived_connections_get_few_logins_an_hour_whatever_the_settings_say(reconnect: Sequence[float]) -> None:
    server = Ending(at_age=1.0, reconnect=reconnect)
    server.run(4)
    assert server.most_in_an_hour() <= MANY_LOGINS + HOUR / LEAST_OF_MANY + 1
    steady = [at for at in server.logged_in if at >= 2 * HOUR]
    assert len(steady) <= 2 * HOUR / LEAST_OF_MANY
    if reconnect == DEFAULT:
        assert server.most_in_an_hour() <= 17
        assert len(steady) <= 2 * 12


def test_a_connection_that_lasted_is_made_anew_at_once() -> None:
    server = Ending(at_age=LASTING)
    server.run(6)
    gaps = [after - before for before, after in zip(server.logged_in, server.logged_in[1:], strict=False)]
    assert len(gaps) > 6 * 10
    assert max(gaps) <= LASTING + EVERY + DEFAULT[0]


def test_a_mailbox_that_isnt_as_the_settings_say_costs_few_logins_too() -> None:
    server = Ending(spoilt=True, reconnect=(0.05,))
    server.run(4)
    assert server.most_in_an_hour() <= MANY_LOGINS + HOUR / LEAST_OF_MANY + 1


def test_a_server_that_cant_be_reached_is_tried_as_often_as_the_settings_say() -> None:
    """That costs no login. When it is there again, mail doesn't wait longer than they say."""
    server = Ending(refuses=True, reconnect=(2.0,))
    server.run(2)
    server.refuses = False
    server.run(0.01, [0.0])
    assert len(server.logged_in) == 1
    assert server.late[0] <= 2.0


def test_when_idle_ends_well_again_it_is_used_as_before(logged: Logged) -> None:
    server = Ending(in_idle=1.0)
    server.run(0.5)
    server.in_idle = None
    server.run(1)
    assert len(logged("idle.resumed")) == 1
    assert server.open.idling
    server.in_idle = 1.0
    server.run(0.5)
    assert [line["wait"] for line in logged("idle.given_up")] == [GIVEN_UP_FOR, GIVEN_UP_FOR]


def test_an_idle_that_news_ended_at_once_shows_nothing(logged: Logged) -> None:
    """Mail comes often, and each IDLE that it doesn't end within ten seconds is ended by the server."""
    server = Ending(in_idle=10.0)
    server.run(1, [number / 200 for number in range(200)])
    assert len(server.logged_in) <= 2 * ENDED_IN_A_ROW
    assert logged("idle.resumed") == []
    assert server.waiting == []


def test_idle_is_given_up_for_a_day_at_most(logged: Logged) -> None:
    server = Ending(in_idle=1.0)
    server.run(24 * 5)
    assert max(line["wait"] for line in logged("idle.given_up")) == LONGEST_GIVEN_UP


def test_a_token_that_expires_in_idle_isnt_idles_fault(logged: Logged) -> None:
    server = Ending(in_idle=1.0, error=TokenExpired)
    server.run(1)
    assert logged("idle.given_up") == []


@given(
    in_idle=st.none() | st.floats(0, 90),
    at_age=st.none() | st.floats(0.5, 900),
    error=st.sampled_from([ConnectionLost, ServerUnavailable]),
    arrivals=st.lists(st.floats(0, 0.8), max_size=12),
    reconnect=st.sampled_from([DEFAULT, (0.05,), (2.0,), (30.0, 1.0)]),
)
@example(in_idle=0.0, at_age=None, error=ConnectionLost, arrivals=[0.1, 0.5], reconnect=DEFAULT)
@example(in_idle=59.9, at_age=None, error=ConnectionLost, arrivals=[0.1, 0.5], reconnect=(0.05,))
@example(in_idle=None, at_age=299.0, error=ConnectionLost, arrivals=[0.1, 0.5], reconnect=DEFAULT)
@settings(max_examples=300)
def test_however_a_server_ends_connections_logins_are_few_and_mail_gets_through(
    in_idle: float | None,
    at_age: float | None,
    error: type[MailboxError],
    arrivals: list[float],
    reconnect: Sequence[float],
) -> None:
    server = Ending(in_idle=in_idle, at_age=at_age, error=error, reconnect=reconnect)
    server.run(3, arrivals)
    assert server.most_in_an_hour() <= MANY_LOGINS + HOUR / LEAST_OF_MANY + 1
    if reconnect == DEFAULT:
        assert server.most_in_an_hour() <= 17 + 6
    assert server.waiting == []
    assert max(server.late, default=0) <= max(DEFAULT) + 2 * EVERY
