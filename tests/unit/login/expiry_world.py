"""A year and a half in simulated time for what expires: renewals, restarts, kills, outages, and two replicas."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from tests.fakes.journal import Texts
from worker.login.expiry import Expiry, Found, Plan, Thing, Way, expiries
from worker.login.expiry_watch import ExpiryWatch, noted
from worker.login.password_policy import DAY, Age, age_of

START = 1_800_000_000.0
LENGTH = 548 * DAY
WAYS = (
    Way("password"),
    Way("oauth2-password"),
    Way("oauth2-client", has_secret=True),
    Way("oauth2-client", has_certificate=True),
    Way("oauth2-device"),
    Way("oauth2-browser", has_secret=True),
    Way("oauth2-browser", has_certificate=True),
)


class Killed(BaseException):
    """The process is dead."""


@dataclass(frozen=True)
class Telling:
    """A warning. killed: the process died before it could note it."""

    at: float
    thing: Thing
    expires_at: float
    days_left: int
    killed: bool = False


@dataclass
class Year:
    """One course of things, drawn from a seed.

    looks: those that came to their end, with what could expire. may_repeat: stretches of time in which a warning may
    come again, as the clock was ahead just before. told_astray: those whose warning was given by such a clock; if no
    worker runs until the time is really come, it isn't given again.
    """

    seed: int
    now: float = START
    looks: list[tuple[float, tuple[Expiry, ...]]] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)
    restarts: int = 0
    kills: int = 0
    may_repeat: Counter[object] = field(default_factory=Counter)
    told_astray: set[object] = field(default_factory=set)
    memory: Texts = field(default_factory=Texts)
    files: Found = field(default_factory=Found)
    _dies: str | None = None
    _astray: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        draw = self.random
        self.way = draw.choice(WAYS)
        self.lasts = draw.choice([90, 365]) * DAY
        self.warn = draw.choice([3, 14, 21, 30, 45]) * DAY
        self.dated = draw.random() < 0.8
        self.changed = START - draw.uniform(0, 60) * DAY
        self.secret_expires = START + draw.uniform(5, 500) * DAY
        self.files = Found(START + draw.uniform(5, 500) * DAY, "a", START, START)
        self.busy_until = START
        self.is_used = True
        self._start()

    # -- the processes -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start both replicas with the settings of now."""
        self.restarts += 1
        self.plan = Plan(
            self.way,
            password_changed=self.changed if self.dated else None,
            password_lasts=self.lasts,
            password_warn=self.warn,
            secret_expires=self.secret_expires,
        )
        self.replicas = [
            ExpiryWatch(
                self.plan,
                installation="worker-1",
                login=cast("Any", self),
                files=self,
                memory=self.memory,
                notify=self._notify,
                clock=lambda: self.now,
            )
            for _ in range(2)
        ]

    def status(self) -> Any:
        return SimpleNamespace(age=self.age())

    def age(self) -> Age | None:
        return age_of(self.changed, self.lasts, self.now) if Thing.PASSWORD in self.plan.things else None

    def found(self, before: Found) -> Found:
        del before
        return self.files

    def expected(self) -> tuple[Expiry, ...]:
        """What the processes believe."""
        return expiries(self.plan, self.age(), noted(self.memory, "worker-1"), self.now)

    def _notify(self, event: str, fields: Mapping[str, object], /) -> None:
        thing = Thing(str(fields["what"]))
        assert event == ("password.expiring" if thing.is_password else "credential.expiring")
        if self._dies == "before":
            raise Killed
        ends = next(one.expires_at for one in self.expected() if one.thing is thing)
        assert ends is not None
        if self._astray:
            self.told_astray.add(self._stretch(thing))
            return
        died = self._dies == "after"
        self.tellings.append(Telling(self.now, thing, ends, cast("int", fields["days_left"]), died))
        if died:
            raise Killed

    # -- the course of things ------------------------------------------------------------------------------------------

    def run(self, also: Callable[[], None] = lambda: None) -> None:
        """Let the time pass. also: what else a process does after each look."""
        for _ in self._steps():
            if self.random.random() < 0.002:
                self._look_with_a_clock_that_is_ahead(also)
            self._dies = self.random.choice(["before", "after"]) if self.random.random() < 0.15 else None
            try:
                self.random.choice(self.replicas).look()
            except Killed:
                self.kills += 1
                self._start()
                continue
            self.looks.append((self.now, self.expected()))
            also()

    def _look_with_a_clock_that_is_ahead(self, also: Callable[[], None]) -> None:
        """By weeks or a year, until somebody sets it right. What is told meanwhile is wrong, and not looked at."""
        right, self._dies, self._astray = self.now, None, True
        self.now += self.random.uniform(1.5, 400) * DAY
        self.random.choice(self.replicas).look()
        also()
        self.now, self._astray = right, False
        for one in self.expected():
            if one.expires_at is not None:
                self.may_repeat[window(one, right, warn_of(one, self.plan))] += 1

    @property
    def is_astray(self) -> bool:
        """Whether the clock is wrong at this moment."""
        return self._astray

    def _stretch(self, thing: Thing) -> object:
        (one,) = (one for one in self.expected() if one.thing is thing)
        return window(one, self.now, warn_of(one, self.plan))

    def _steps(self) -> Iterator[None]:
        while self.now < START + LENGTH:
            draw = self.random.random()
            if draw < 0.01:
                self.now += self.random.uniform(0, 30) * DAY  # no worker runs
                self._start()
            elif draw < 0.04:
                self._start()
            self._renew()
            self.now += self.random.uniform(0.5, 8) * 3600
            yield

    def _renew(self) -> None:
        """People renew things: in time, late, or too early. The file of the certificate is seen without a restart."""
        draw = self.random
        if self.now > self.busy_until:
            self.is_used, self.busy_until = not self.is_used, self.now + draw.uniform(1, 110) * DAY
        if self.is_used:
            self.files = replace(self.files, used_at=self.now)
        elif draw.random() < 0.001:
            self.files = replace(self.files, sign_in=str(self.now), signed_in_at=self.now, used_at=self.now)
        if draw.random() < 0.0008 or self.now > self.changed + self.lasts + 9 * DAY:
            self.changed = self.now
            self._start()
        if draw.random() < 0.0006 or self.now > self.secret_expires + 9 * DAY:
            self.secret_expires = self.now + draw.uniform(1, 400) * DAY
            self._start()
        if draw.random() < 0.0006 or self.now > (self.files.certificate_ends or 0) + 9 * DAY:
            self.files = replace(self.files, certificate_ends=self.now + draw.uniform(1, 400) * DAY)


def window(one: Expiry, now: float, warn: float) -> tuple[Thing, float, object] | None:
    """The stretch of time that has one warning of its own, by the documented rule; None: none is due."""
    assert one.expires_at is not None
    left = one.expires_at - now
    if left > warn:
        return None
    if left < 8 * DAY:
        return one.thing, one.expires_at, math.floor(left / DAY)
    reached = [days for days in (14, 21) if left <= days * DAY < warn]
    return one.thing, one.expires_at, f"from {min(reached)}" if reached else "first"


def warn_of(one: Expiry, plan: Plan) -> float:
    return plan.password_warn if one.thing.is_password else 30 * DAY
