"""How long to wait between login attempts, and how many are allowed."""

from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Lockout:
    """When the server locks the account, and how far the worker stays away from that. Times are in seconds.

    threshold: failed attempts after which the server locks the account (twelve, by NHSmail's policy text).
    reserve: how many of these the worker never uses, because people share the account.
    per_credential: attempts with the same credential.
    waits: after the 1st, 2nd, … failure that counts; the last one repeats.
    jitter: a wait is lengthened by a random share, up to this.
    token_attempts: rejected tokens before the login halts.
    reconnect: waits after the 1st, 2nd, … transient failure in a row; the last one repeats.
    """

    threshold: int = 12
    reserve: int = 4
    per_credential: int = 5
    waits: tuple[float, ...] = (MINUTE, 10 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, 24 * HOUR)
    jitter: float = 0.1
    token_attempts: int = 3
    reconnect: tuple[float, ...] = (2.0, 10.0, 30.0, 60.0, 300.0)

    @property
    def budget(self) -> int:
        """How many counted failures the worker allows itself between two successes."""
        return max(0, self.threshold - self.reserve)

    @property
    def longest_wait(self) -> float:
        """The longest possible wait after a failure that counts."""
        return max(self.waits) * (1 + self.jitter)

    def wait_after(self, failures: int, share: float) -> float:
        """Return the wait after this many counted failures (1 or more), with `share` (0 to 1) of the jitter added."""
        return _pick(self.waits, failures) * (1 + self.jitter * share)

    def pause_after(self, troubles: int, share: float) -> float:
        """Return the wait after this many transient failures in a row (1 or more), if the server asked for none."""
        return _pick(self.reconnect, troubles) * (1 + self.jitter * share)


def _pick(waits: tuple[float, ...], nth: int) -> float:
    return waits[min(nth, len(waits)) - 1]
