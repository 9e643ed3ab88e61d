"""The password policy. A password that breaks it can't be right, so it is reported instead of sent.

The source is NHSmail's policy text, 'Password policy': `a standard active directory complex password policy`. Where the
text can be read in two ways, the rules here are the more lenient: refusing a right password would stop the mail, while
sending a wrong one spends a single attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

PREVIOUS: Final = 4
"""How many former passwords may not be used again."""
_KINDS: Final = 3
_SHORTEST_NAME: Final = 3
"""Active Directory ignores user names of one or two characters."""


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """A set of rules. complexity: whether the rules other than the length apply."""

    length: int
    complexity: bool

    def faults(self, password: str, address: str) -> list[str]:
        """Return which rules a password breaks, in words that reveal nothing else about it. Empty: it may be right.

        address: the account's full address, which is its user name.
        """
        return [*_unsendable(password), *(self._faults(password, address) if self.complexity else ())]

    def _faults(self, password: str, address: str) -> list[str]:
        name = address.partition("@")[0].casefold()
        found = []
        if len(password) < self.length:
            found.append(f"it is shorter than {self.length} characters")
        if len(name) >= _SHORTEST_NAME and name in password.casefold():
            found.append("it contains the user name")
        if _kinds(password) < _KINDS:
            found.append("it has fewer than three of the four kinds: upper case, lower case, digits, symbols")
        if "," in password or any(char.isspace() for char in password):
            found.append("it contains a space or a comma")
        return found


def policy_named(name: Literal["nhsmail", "application-account", "off"]) -> PasswordPolicy:
    """Return a set by its name: `nhsmail` follows the policy text, `application-account` asks for 20 characters."""
    return _POLICIES[name]


_POLICIES: Final = {
    "nhsmail": PasswordPolicy(8, complexity=True),
    "application-account": PasswordPolicy(20, complexity=True),
    "off": PasswordPolicy(0, complexity=False),
}


def is_previous(fingerprint: str, accepted: Sequence[str]) -> bool:
    """Whether a password is one of the four before the one that was accepted last.

    accepted: the fingerprints of passwords that the server has accepted, newest first. The newest is never 'previous'.
    """
    return fingerprint in accepted[1 : PREVIOUS + 1] and fingerprint != accepted[0]


def _unsendable(password: str) -> list[str]:
    if not password:
        return ["it is empty"]
    if any(char in "\0\r\n" for char in password):
        return ["it contains a line break or a NUL, which can't be sent"]
    return []


def _kinds(password: str) -> int:
    return sum(
        (
            any(char.isupper() for char in password),
            any(char.islower() for char in password),
            any(char.isdecimal() for char in password),
            any(char.isprintable() and not char.isalpha() and not char.isdecimal() for char in password),
        )
    )


DAY: Final = 86400.0
_DAILY_FROM: Final = 7


@dataclass(frozen=True, slots=True)
class Age:
    """How old the password is. Times are in epoch seconds. days_left: whole days, negative after the end."""

    changed_at: float
    expires_at: float
    days_left: int


def age_of(changed_at: float, max_age: float, now: float) -> Age:
    """Return the age of a password that was changed at `changed_at` and lasts `max_age` seconds."""
    expires_at = changed_at + max_age
    return Age(changed_at, expires_at, int((expires_at - now) // DAY))


def warning_stage(age: Age, warn: float, now: float) -> str | None:
    """Return the name of the warning that is due, so that each is given once; None if none is due.

    The first is due `warn` seconds before the password ends, then one on each day of the last week.
    """
    left = age.expires_at - now
    if left > warn:
        return None
    return "first" if age.days_left > _DAILY_FROM else f"day {age.days_left}"
