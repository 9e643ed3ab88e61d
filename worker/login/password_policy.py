"""The password policy: a password that breaks it can't be right, so it is reported and not sent.

NHSmail's policy text, 'Password policy'; `a standard active directory complex password policy`. Where text and practice
leave room, the rule is the wider one: refusing a right password would stop the mail, sending a wrong one spends a
single attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

PREVIOUS: Final = 4
"""How many former passwords may not come back."""
_KINDS: Final = 3
_SHORTEST_NAME: Final = 3
"""Active Directory doesn't look for names of one or two characters."""


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """A set of rules. complexity: the rules besides the length."""

    length: int
    complexity: bool

    def faults(self, password: str, address: str) -> list[str]:
        """What is wrong with a password, in words that say nothing else about it; empty: it may be right.

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
    """One of the named sets: `nhsmail` is the policy text's, `application-account` asks for 20 characters."""
    return _POLICIES[name]


_POLICIES: Final = {
    "nhsmail": PasswordPolicy(8, complexity=True),
    "application-account": PasswordPolicy(20, complexity=True),
    "off": PasswordPolicy(0, complexity=False),
}


def is_previous(fingerprint: str, accepted: Sequence[str]) -> bool:
    """Whether a password is one of the four before the last accepted one.

    accepted: fingerprints that the server has accepted, the last one first. The last accepted is never 'previous'.
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
    """How old the password is. Times in epoch seconds; days_left: whole days, negative once it is past."""

    changed_at: float
    expires_at: float
    days_left: int


def age_of(changed_at: float, max_age: float, now: float) -> Age:
    """The age of a password that was changed at a time and lasts `max_age` seconds."""
    expires_at = changed_at + max_age
    return Age(changed_at, expires_at, int((expires_at - now) // DAY))


def warning_stage(age: Age, warn: float, now: float) -> str | None:
    """Which warning is due: one when the warnings begin (`warn` seconds before), one for each day of the last week.

    A stage is named, so that each is given once; None: none is due.
    """
    left = age.expires_at - now
    if left > warn:
        return None
    return "first" if age.days_left > _DAILY_FROM else f"day {age.days_left}"
