"""Which servers are reached without the proxy, held against what each kind of entry means."""

import ipaddress
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connections.no_proxy import LOOPBACK, NoProxy

labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8).filter(lambda one: not one.isdigit())
names = st.lists(labels, min_size=2, max_size=4).map(".".join)
ports = st.integers(1, 65_535)
fours = st.ip_addresses(v=4).map(str)
sixes = st.ip_addresses(v=6).map(str).filter(lambda one: not one.startswith("::ffff:"))
addresses = fours | sixes


def passes_by(entry: str, host: str, port: int = 993) -> bool:
    return NoProxy.of([entry]).matches(host, port)


@pytest.mark.parametrize(
    ("entry", "host", "port", "expected"),
    [
        ("nhs.uk", "nhs.uk", 993, True),
        ("nhs.uk", "mail.nhs.uk", 993, True),
        (".nhs.uk", "mail.nhs.uk", 993, True),
        (".nhs.uk", "nhs.uk", 993, True),  # as curl reads it
        ("*.nhs.uk", "a.b.nhs.uk", 993, True),
        ("nhs.uk", "notnhs.uk", 993, False),
        ("nhs.uk", "nhs.uk.evil.example", 993, False),
        ("NHS.UK.", "Mail.nhs.UK.", 993, True),
        ("mail.nhs.uk:993", "mail.nhs.uk", 993, True),
        ("mail.nhs.uk:993", "mail.nhs.uk", 443, False),
        (".nhs.uk:443", "mail.nhs.uk", 443, True),
        ("10.0.0.0/8", "10.255.0.1", 993, True),
        ("10.0.0.5/8", "10.9.9.9", 993, True),
        ("10.0.0.0/8", "11.0.0.1", 993, False),
        ("10.0.0.0/8", "10.example", 993, False),
        ("10.1.2.3", "10.1.2.3", 1, True),
        ("10.1.2.3:25", "10.1.2.3", 26, False),
        ("::1", "[::1]", 993, True),
        ("[::1]:993", "::1", 993, True),
        ("[::1]:993", "::1", 994, False),
        ("fd00::/8", "fd12::1", 993, True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", 993, True),
        ("*", "anything.example", 1, True),
        ("*:443", "anything.example", 443, True),
        ("*:443", "anything.example", 993, False),
    ],
)
def test_what_an_entry_means(entry: str, host: str, port: int, expected: bool) -> None:
    assert passes_by(entry, host, port) is expected


@pytest.mark.parametrize(
    "entry",
    ["", " ", ".", "..", "a b", "h:", "h:0", "h:65536", "h:x", "http://host", "a/b", "[host]:1", "::1:x", "a,b"],
)
def test_what_is_no_entry(entry: str) -> None:
    with pytest.raises(ValueError, match=r"is no name|has no port"):
        NoProxy.of([entry])


def test_this_machine_is_the_default() -> None:
    default = NoProxy.of(LOOPBACK)
    assert all(default.matches(host, 993) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"))
    assert not any(default.matches(host, 993) for host in ("10.0.0.1", "localhost.example", "::2", "mail.nhs.uk"))
    assert not NoProxy.of(()).matches("localhost", 993)


@given(names, names, ports)
def test_a_name_stands_for_itself_and_what_is_below(name: str, other: str, port: int) -> None:
    for entry in (name, f".{name}", f"*.{name}", name.upper(), f"{name}."):
        assert passes_by(entry, name, port)
        assert passes_by(entry, f"x.{name}", port)
        assert passes_by(entry, other, port) is (other == name or other.endswith(f".{name}"))
        assert not passes_by(entry, f"x{name}", port)


@given(names, ports, ports)
def test_a_port_is_that_port_alone(name: str, one: int, other: int) -> None:
    assert passes_by(f"{name}:{one}", name, other) is (one == other)


@given(addresses, addresses, ports)
def test_an_address_is_that_address_alone(one: str, other: str, port: int) -> None:
    assert passes_by(one, one, port)
    assert passes_by(one, other, port) is (one == other)
    bracketed = f"[{one}]:{port}" if ":" in one else f"{one}:{port}"
    assert passes_by(bracketed, one, port)
    assert not passes_by(bracketed, one, port % 65_535 + 1)


@given(st.ip_addresses(), st.integers(0, 128), st.ip_addresses())
def test_a_network_has_its_addresses(
    base: ipaddress.IPv4Address | ipaddress.IPv6Address,
    length: int,
    host: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    network = ipaddress.ip_network(f"{base}/{min(length, base.max_prefixlen)}", strict=False)
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    found = mapped or host
    assert passes_by(str(network), str(host)) is (found.version == network.version and found in network)
    assert passes_by(str(network), str(network.network_address)) or network.version == 6


@given(st.lists(names | addresses, max_size=5), names | addresses, ports)
def test_a_list_is_each_of_its_entries(entries: list[str], host: str, port: int) -> None:
    assert NoProxy.of(entries).matches(host, port) is any(passes_by(entry, host, port) for entry in entries)


@given(st.text(max_size=20), st.text(max_size=20), ports)
def test_no_text_breaks_it(entry: str, host: str, port: int) -> None:
    try:
        found = NoProxy.of([entry])
    except ValueError:
        return
    assert found.matches(host, port) in (True, False)
