"""Why a proxy didn't make a connection, in words that are safe to log: of what the proxy sent, the number alone."""

import socket
from enum import StrEnum, auto
from typing import Final


class ProxyFault(StrEnum):
    """What is wrong at the proxy."""

    UNREACHABLE = auto()
    """There is no connection to the proxy itself."""
    UNTRUSTED = auto()
    """TLS with the proxy fails, mostly because its certificate isn't trusted. No credential was sent."""
    CREDENTIALS = auto()
    """It wants a user name and a password, or others than ours."""
    POLICY = auto()
    """Its rules don't allow this connection."""
    TARGET = auto()
    """It can't reach the server, or doesn't find its name."""
    SILENT = auto()
    """It didn't answer in time."""
    BROKEN = auto()
    """It ended the connection in mid-answer, or its answer can't be understood."""
    OTHER = auto()
    """It refuses with a number that says no more."""


_TEAM: Final = "whoever runs the proxy"
WHO: Final[dict[ProxyFault, str]] = {
    ProxyFault.UNREACHABLE: "you, if `url` under `[proxy]` is wrong, otherwise your network team",
    ProxyFault.UNTRUSTED: "you, if the proxy's own authority isn't named in `ca_file` under `[proxy]`, otherwise "
    + _TEAM,
    ProxyFault.CREDENTIALS: f"{_TEAM}, for the account that `[proxy]` names",
    ProxyFault.POLICY: f"{_TEAM}: it must allow this server and port",
    ProxyFault.TARGET: f"{_TEAM}, if it lasts for an hour",
    ProxyFault.SILENT: f"{_TEAM}, if it lasts for an hour",
    ProxyFault.BROKEN: f"{_TEAM}. Also compare `url` under `[proxy]` with what they say",
    ProxyFault.OTHER: _TEAM,
}
"""Whom to ask."""

_BY_STATUS: Final = {
    **dict.fromkeys((407,), ProxyFault.CREDENTIALS),
    **dict.fromkeys((401, 403, 405, 451), ProxyFault.POLICY),
    **dict.fromkeys((404, 410, 500, 502, 503, 504), ProxyFault.TARGET),
}
_BY_REPLY: Final = {
    2: ProxyFault.POLICY,
    **dict.fromkeys((3, 4, 5, 6), ProxyFault.TARGET),
}
_REPLIES: Final = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


class ProxyTrouble(OSError):
    """The proxy didn't make the connection, so nothing was sent to the server behind it.

    The text holds the proxy's and the server's host and port, and a number or the system's words; no credential.
    """

    def __init__(self, fault: ProxyFault, proxy: str, said: str) -> None:
        """proxy: its host and port. said: what it does, in our words: the sentence's end."""
        super().__init__(f"the proxy {proxy} {said}")
        self.fault = fault
        self.proxy = proxy

    @property
    def who(self) -> str:
        """Whom to ask."""
        return WHO[self.fault]

    @property
    def advice(self) -> str:
        """What happened, what that means, and whom to ask."""
        text = str(self)
        return f"{text[:1].upper()}{text[1:]}. Nothing was sent to the server behind it. Who can act: {self.who}."


def not_reached(proxy: str, error: OSError) -> ProxyTrouble:
    """There is no connection to the proxy."""
    if isinstance(error, TimeoutError):
        return ProxyTrouble(ProxyFault.UNREACHABLE, proxy, "can't be reached (no answer in time)")
    if isinstance(error, socket.gaierror):
        return ProxyTrouble(ProxyFault.UNREACHABLE, proxy, "can't be reached (its name can't be resolved)")
    return ProxyTrouble(ProxyFault.UNREACHABLE, proxy, f"can't be reached ({error.strerror or type(error).__name__})")


def http_refusal(status: int, proxy: str, target: str, *, named: bool) -> ProxyTrouble:
    """The proxy answered CONNECT with this status. named: we gave it a user name and a password."""
    fault = _BY_STATUS.get(status, ProxyFault.OTHER)
    return ProxyTrouble(fault, proxy, _words(fault, target, f"HTTP {status}", named=named))


def socks_refusal(reply: int, proxy: str, target: str) -> ProxyTrouble:
    """The proxy answered with this SOCKS reply (RFC 1928, 6)."""
    fault = _BY_REPLY.get(reply, ProxyFault.OTHER)
    return ProxyTrouble(fault, proxy, _words(fault, target, f"SOCKS {reply}, {_REPLIES[reply]}", named=True))


def credentials_refused(proxy: str, *, named: bool) -> ProxyTrouble:
    """The SOCKS proxy wants other credentials, or some at all."""
    fault = ProxyFault.CREDENTIALS
    return ProxyTrouble(fault, proxy, _words(fault, "", "SOCKS", named=named))


def _words(fault: ProxyFault, target: str, number: str, *, named: bool) -> str:
    match fault:
        case ProxyFault.CREDENTIALS if named:
            return f"doesn't accept the user name and password of [proxy] ({number})"
        case ProxyFault.CREDENTIALS:
            return f"asks for a user name and a password, and [proxy] has none ({number})"
        case ProxyFault.POLICY:
            return f"doesn't allow connections to {target} ({number})"
        case ProxyFault.TARGET:
            return f"can't reach {target} ({number})"
        case _:
            return f"refuses the connection to {target} ({number})"
