"""The ways to log in that a server announces. Looked at before a credential leaves, so that none leaves in vain."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

_AUTH: Final = "AUTH="
KNOWN: Final = frozenset(
    {
        "ANONYMOUS",
        "CRAM-MD5",
        "DIGEST-MD5",
        "EXTERNAL",
        "GSSAPI",
        "LOGIN",
        "NTLM",
        "OAUTHBEARER",
        "PLAIN",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "XOAUTH2",
    }
)
"""Mechanisms that are named to people. Other names are counted only: a server may write there what it likes."""
_OURS: Final = frozenset({"PLAIN", "XOAUTH2"})
MOST_NAMED: Final = 6
"""How many mechanisms are named: the advice that names them must fit into a line of the log."""


@dataclass(frozen=True, slots=True)
class LoginOffer:
    """What a server's CAPABILITY says before the login. mechanisms: of SASL. login: it takes the command LOGIN."""

    mechanisms: frozenset[str] = frozenset()
    login: bool = True

    @classmethod
    def of(cls, capabilities: Iterable[str]) -> Self:
        """Read it from the capabilities, in capitals."""
        names = set(capabilities)
        mechanisms = frozenset(name.removeprefix(_AUTH) for name in names if name.startswith(_AUTH))
        return cls(mechanisms, login="LOGINDISABLED" not in names)

    @property
    def takes_token(self) -> bool:
        """Whether an OAuth token can be sent, by XOAUTH2."""
        return "XOAUTH2" in self.mechanisms

    def takes_by_login(self, password: str) -> bool:
        """Whether the command LOGIN can carry this password: it can't carry one that isn't ASCII."""
        return self.login and password.isascii()

    def takes_password(self, password: str) -> bool:
        """Whether this password can be sent, by LOGIN or by PLAIN."""
        return self.takes_by_login(password) or "PLAIN" in self.mechanisms

    def names(self) -> str:
        """The ways that are offered, for people and logs, as `the command LOGIN, AUTH=PLAIN`; `none` without any."""
        known = sorted(self.mechanisms & KNOWN, key=lambda name: (name not in _OURS, name))[:MOST_NAMED]
        found = ["the command LOGIN"] if self.login else []
        found += [f"{_AUTH}{name}" for name in known]
        more = len(self.mechanisms) - len(known)
        found += [f"{more} more"] if more else []
        return ", ".join(found) or "none"
