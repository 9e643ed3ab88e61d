"""A worker's hard time with a server: mail that comes in waves, ends of both kinds, and a clock that runs ahead."""

import hashlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.forks import Forks
from tests.rig.worker import Worker

SOON, LATER = 60.0, 660.0
"""Seconds that pass between two runs: while mail comes, and then. The latter is longer than any wait for content."""
RUNS = 50
"""After so many runs without new mail all must be done."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "poll": {"every": "200ms", "reconnect": ["20ms"] * 40, "batch_count": 15},
    "work": {"threads": 2},
    "lockout": {"waits": ["10ms"], "jitter": 0.0},
    "junk": {"handlers": ["archive", "ledger"], "folder": "Courrier indésirable"},
}
ROUTES = ({"name": "all", "handlers": ["archive", "ledger"]},)


@dataclass
class HardTime:
    """One worker, from the first message to the last. ends: how its processes ended, by exit code."""

    worker: Worker
    mailbox: Mailbox
    forks: Forks
    seed: int = 1
    kills: bool = True
    ahead: float = 0.0
    seconds: float = 0.0
    ends: Counter[int] = field(default_factory=Counter)

    def live_through(self, waves: Sequence[tuple[Sequence[bytes], Sequence[bytes]]]) -> None:
        """Deliver each wave, for the inbox and the junk folder, to a running worker, and end it at some moment.

        With `kills` it is killed every second time. Then runs follow until nothing is left to be done.
        """
        began, chance = time.monotonic(), random.Random(self.seed)
        for number, (inbox, junk) in enumerate(waves):
            pid = self.forks.start("run", "--config", str(self.worker.config), ahead=self.ahead)
            self.mailbox.append_many("INBOX", inbox[::2])
            time.sleep(chance.uniform(0.5, 2.0))
            self.mailbox.append_many("INBOX", inbox[1::2])
            self.mailbox.append_many(JUNK, junk)
            time.sleep(chance.uniform(1.0, 3.0))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if self.kills and number % 2 else signal.SIGTERM)
            self._ended(pid)
            self.ahead += SOON
        for number in range(RUNS):
            code = self._ended(self.forks.start("once", "--config", str(self.worker.config), ahead=self.ahead))
            self.ahead += (
                SOON if number % 3 else LATER
            )  # a run may meet nothing but troubles; none waits an hour for that
            if code in (0, 1) and not self.mailbox.stored("INBOX") and not self.worker.status()["messages"]["pending"]:
                break
        self.seconds = time.monotonic() - began

    def calls(self) -> Counter[str]:
        """How often each content was handed over."""
        return Counter(call.sha256 for call in self.worker.handed())

    def paths(self) -> set[tuple[str, str]]:
        """Each content that was handed over, with its path."""
        return {(call.sha256, call.path) for call in self.worker.handed()}

    def _ended(self, pid: int) -> int:
        code = self.forks.wait(pid)
        self.ends[code] += 1
        return code


def digest(message: bytes) -> str:
    return hashlib.sha256(message).hexdigest()


def in_waves(messages: Sequence[bytes], waves: int) -> list[tuple[list[bytes], list[bytes]]]:
    """Messages for the inbox and, every eighth, for the junk folder."""
    parts = [messages[number::waves] for number in range(waves)]
    return [([one for at, one in enumerate(part) if at % 8], list(part[::8])) for part in parts]
