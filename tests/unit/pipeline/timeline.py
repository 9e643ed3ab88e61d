"""Time as the schedule passes it: each run sets the time of the next one, and news brings a run at once."""

from dataclasses import dataclass, field
from typing import Any

from tests.fakes.mailbox import Mail, mail, scanning
from tests.fakes.world import ACCOUNT, World
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.message.outcome import State

EVERY = 60.0
MOST_AT_ONCE = 10
"""More runs than this without a pause between them mean that they never pause. A run that ends the process is none of
them: the next one comes at once, and each spends a try of the message that it died of.
"""


@dataclass
class Timeline:
    """Runs a world, and notes when each message came, was first given to a handler, and was done. Times in epoch s."""

    world: World
    came: dict[str, float] = field(default_factory=dict)
    called: dict[str, float] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    """The keys of the messages in the order of their first calls."""
    _mails: dict[str, tuple[Mail, bytes]] = field(default_factory=dict)
    _hidden: set[str] = field(default_factory=set)
    _seen: int = 0

    @property
    def now(self) -> float:
        return self.world.clock.now

    def deliver(self, kind: str = "ok", **given: Any) -> str:
        """As `queue`, and IDLE tells of it."""
        key = self.queue(kind, **given)
        self.run()
        return key

    def queue(self, kind: str = "ok", *, hidden: str = "", sender: str = "a", **given: Any) -> str:
        """A message comes. hidden: `scan` or `bodiless`, until `show`. given: as for `mail`. Returns its key."""
        raw = mail(kind, sender=sender, **given)
        key = fingerprint(ACCOUNT, Headers.from_bytes(raw))
        shown = scanning(raw) if hidden == "scan" else raw
        one = self.world.server.deliver(shown, bodiless=hidden == "bodiless", received_at=self.now)
        self._mails[key] = (one, raw)
        self.came[key] = self.now
        if hidden:
            self._hidden.add(key)
        return key

    def show(self, key: str) -> None:
        """The server has the message's content now."""
        one, raw = self._mails[key]
        one.raw = raw
        one.bodiless = False

    def was_hidden(self, key: str) -> bool:
        """Whether the server didn't show the message's content at first."""
        return key in self._hidden

    def take_away(self, key: str) -> None:
        """Somebody deletes the message."""
        self.world.server.delete(self._mails[key][0])

    def run(self) -> float:
        """One run of the cycle. Returns the seconds until the next one."""
        wait = self.world.tick(0)
        for call in self.world.calls[self._seen :]:
            if call.key not in self.called:
                self.called[call.key] = self.now
                self.order.append(call.key)
        self._seen = len(self.world.calls)
        for row in self.world.rows():
            if row.state is not State.PENDING:
                self.done.setdefault(row.key, self.now)
        return EVERY if wait is None else min(wait, EVERY)

    def wait(self, seconds: float) -> None:
        """Let time pass, with all the runs that fall into it."""
        until = self.now + seconds
        at_once = 0
        while True:
            deaths = self.world.deaths
            step = self.run()
            at_once = 0 if step > 0 or self.world.deaths > deaths else at_once + 1
            assert at_once < MOST_AT_ONCE, "the polls spin"
            if self.now + step > until:
                break
            self.world.clock.now += step
        self.world.clock.now = until
        self.run()

    def waited(self, key: str) -> float:
        """Seconds from a message's arrival to its first call."""
        return self.called[key] - self.came[key]
