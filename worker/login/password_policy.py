"""The password policies. A password that breaks the account's policy can't be right, so it is reported instead of sent.

`nhsmail` is NHSmail's policy text, 'Password policy': `a standard active directory complex password policy`.
`nhsmail-2019` is what NHSmail's support pages have said since May 2019, and `application-account` the same with 20
characters. These pages also forbid common and breached passwords, which nobody but the server can tell.

Where a text can be read in two ways, the rules here are the more lenient: refusing a right password would stop the
mail, while sending a wrong one spends a single attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

PolicyName = Literal["nhsmail", "nhsmail-2019", "application-account", "off"]
"""The policies' names, as in the settings."""

PREVIOUS: Final = 4
"""How many former passwords may not be used again."""
_KINDS: Final = 3
_SHORTEST_NAME: Final = 3
"""Active Directory ignores names of one or two characters."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which rules of which policy a password breaks, in words that reveal nothing else about it.

    passes: the other policies that it would pass, `off` left out. sendable: `off` would send it.
    """

    policy: PolicyName
    faults: tuple[str, ...]
    passes: tuple[PolicyName, ...] = ()
    sendable: bool = True

    def __str__(self) -> str:
        faults = "; ".join(self.faults)
        if not self.sendable:
            return faults
        under = " and ".join(f'"{name}"' for name in self.passes)
        return f'{faults} (policy "{self.policy}"; {f"it would pass under {under}" if under else _ONLY_OFF})'


_ONLY_OFF: Final = 'only "off" would pass it'


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """A set of rules.

    length: how many characters at least. mixed: the policy text's rules: three of the four kinds, no user name, no
    comma. owner: the owner's first and last name, as far as they are known.
    """

    name: PolicyName
    length: int = 0
    mixed: bool = False
    owner: tuple[str, ...] = ()

    def refusal(self, password: str, address: str, *, is_previous: bool = False) -> Refusal | None:
        """Return which rules a password breaks, and under which policies it would pass; None: it may be right.

        address: the account's full address, which is its user name. is_previous: it is one of the four before.
        """
        unsendable = _unsendable(password)
        faults = (*unsendable, *self.faults(password, address, is_previous=is_previous))
        if not faults:
            return None
        others = () if unsendable else tuple(replace(one, owner=self.owner) for one in _POLICIES.values())
        passes = [one.name for one in others if not one.faults(password, address, is_previous=is_previous)]
        return Refusal(self.name, faults, tuple(name for name in passes if name != "off"), sendable=not unsendable)

    def faults(self, password: str, address: str, *, is_previous: bool = False) -> list[str]:
        """Return which rules a password that can be sent breaks. The arguments are as for `refusal`."""
        if self.name == "off":
            return []
        found = [f"it is shorter than {self.length} characters"] if len(password) < self.length else []
        found += self._faults_of_mixed(password, address) if self.mixed else self._faults_of_long(password)
        return [*found, "it is one of the four previous passwords"] if is_previous else found

    def _faults_of_mixed(self, password: str, address: str) -> list[str]:
        found = []
        if _contains(password, address.partition("@")[0]):
            found.append("it contains the user name")
        if _kinds(password) < _KINDS:
            found.append("it has fewer than three of the four kinds: upper case, lower case, digits, symbols")
        if "," in password or _has_space(password):
            found.append("it contains a space or a comma")
        return found

    def _faults_of_long(self, password: str) -> list[str]:
        found = ["it contains a space"] if _has_space(password) else []
        if any(_contains(password, name) for name in self.owner):
            found.append("it contains the owner's first or last name")
        return found


def policy_named(name: PolicyName, owner: Sequence[str] = ()) -> PasswordPolicy:
    """Return a policy by its name. owner: the owner's first and last name, as far as they are known."""
    return replace(_POLICIES[name], owner=tuple(owner))


_POLICIES: Final[dict[PolicyName, PasswordPolicy]] = {
    "nhsmail": PasswordPolicy("nhsmail", 8, mixed=True),
    "nhsmail-2019": PasswordPolicy("nhsmail-2019", 10),
    "application-account": PasswordPolicy("application-account", 20),
    "off": PasswordPolicy("off"),
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


def _contains(password: str, name: str) -> bool:
    return len(name) >= _SHORTEST_NAME and name.casefold() in password.casefold()


def _has_space(password: str) -> bool:
    return any(char.isspace() for char in password)


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
