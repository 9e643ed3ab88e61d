"""Which servers are reached without the proxy. Names are compared as they are written; none is resolved."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK: Final = ("localhost", "127.0.0.0/8", "::1")
"""What is reached without the proxy unless the settings say otherwise: this machine."""
_ENTRY: Final = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<plain>[^\[\]:]+))(?::(?P<port>\d{1,5}))?")
_NAME: Final = re.compile(r"(?:\*?\.)?(?P<name>[^\s*/:,\[\].][^\s*/:,\[\]]*)")
_MOST: Final = 65_535


@dataclass(frozen=True, slots=True)
class _Exempt:
    """One entry: a network, or a name with all names below it; neither: every host. port: None for any."""

    network: Network | None = None
    name: str | None = None
    port: int | None = None

    @property
    def text(self) -> str:
        """The entry without its port."""
        return str(self.network) if self.network is not None else self.name or "*"

    def matches(self, host: str, address: Address | None, port: int) -> bool:
        if self.port is not None and port != self.port:
            return False
        if self.network is not None:
            return address is not None and address.version == self.network.version and address in self.network
        if self.name is None:
            return True
        return address is None and (host == self.name or host.endswith(f".{self.name}"))


@dataclass(frozen=True, slots=True)
class NoProxy:
    """The servers that are reached without the proxy.

    An entry is a name, an address, a network (`10.0.0.0/8`) or `*`; names and addresses may have a port (`host:993`,
    `[::1]:993`). A name stands for itself and all names below it, with a leading dot or without one.
    """

    exempt: tuple[_Exempt, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> "NoProxy":
        """Read the entries.

        Raises:
            ValueError: one of them is none of these. The text names it.
        """
        return cls(tuple(_read(entry) for entry in entries))

    @property
    def for_any_port(self) -> tuple[str, ...]:
        """The entries without a port, as other libraries read them."""
        return tuple(one.text for one in self.exempt if one.port is None)

    def matches(self, host: str, port: int) -> bool:
        """Whether this server is reached without the proxy. host: a name or an address, with brackets or without."""
        plain = host.strip("[]").rstrip(".").lower()
        address = _address(plain)
        return any(one.matches(plain, address, port) for one in self.exempt)


def _read(entry: str) -> _Exempt:
    text = entry.strip().lower()
    if text == "*":
        return _Exempt()
    if (network := _network(text)) is not None:
        return _Exempt(network=network)
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ValueError(f'"{entry}" is no name, address, network or "*"')
    port = None if found["port"] is None else int(found["port"])
    if port is not None and not 0 < port <= _MOST:
        raise ValueError(f'"{entry}" has no port from 1 to {_MOST}')
    host = found["v6"] or found["plain"] or ""
    if (network := _network(host)) is not None:
        return _Exempt(network=network, port=port)
    if host == "*":
        return _Exempt(port=port)
    name = _NAME.fullmatch(host)
    if name is None or found["v6"] is not None:
        raise ValueError(f'"{entry}" is no name, address, network or "*"')
    return _Exempt(name=name["name"].rstrip("."), port=port)


def _network(text: str) -> Network | None:
    """The network that this is, or that of the one address; an IPv4 address in the form of IPv6 is IPv4."""
    if (address := _address(text)) is not None:
        return ipaddress.ip_network(address)
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found
