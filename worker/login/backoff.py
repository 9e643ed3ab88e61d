"""How long to wait between attempts, and how many there may be."""

from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Lockout:
    """The account's lockout and how far we keep away from it. Times in seconds.

    threshold: attempts before the server locks the account (NHSmail's policy text: twelve). reserve: of these, never
    used by us, so left to the people who share the account. per_credential: attempts with one and the same credential.
    waits: after the 1st, 2nd, … failure that counts; the last repeats. jitter: the largest random share that a wait is
    lengthened by. token_attempts: rejected tokens before a halt. reconnect: waits after the 1st, 2nd, … passing
    trouble.
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
        """Attempts that may count between two successes."""
        return max(0, self.threshold - self.reserve)

    @property
    def longest_wait(self) -> float:
        """No wait after a failure that counts is longer than this."""
        return max(self.waits) * (1 + self.jitter)

    def wait_after(self, failures: int, share: float) -> float:
        """The wait after so many failures (1 or more), lengthened by `share` (0 to 1) of the jitter."""
        return _pick(self.waits, failures) * (1 + self.jitter * share)

    def pause_after(self, troubles: int, share: float) -> float:
        """The wait after so many passing troubles in a row (1 or more), where the server named none."""
        return _pick(self.reconnect, troubles) * (1 + self.jitter * share)


def _pick(waits: tuple[float, ...], nth: int) -> float:
    return waits[min(nth, len(waits)) - 1]
