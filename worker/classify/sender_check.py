"""Whether the provider confirmed that a message comes from the address in its From header.

That is read from the provider's own Authentication-Results alone (RFC 8601): the topmost one above the hop by which the
message entered. Unlike the evidence for junk, it takes suspicion away, and a sender can write every header that isn't
the provider's. So belief goes less far here, whatever the settings say of it. A message on which no server of the
provider is recognised, or that seems never to have entered, is never confirmed. A host that only calls itself one of
the provider's ends belief, because it has none of the provider's addresses.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address

from worker.classify.boundary import find_boundary
from worker.classify.policy import JunkPolicy
from worker.classify.reading import headers_of, plain
from worker.message.mime.headers import Headers

_COMMENT = re.compile(r"\([^()]*\)")
_DEEPEST = 4  # comments may be nested; Exchange's aren't
_WORD = re.compile(r"(?:^|\s)(compauth|dmarc|dkim|spf)=([a-z]{1,20})(?=\s|$)")
_PROPERTY = re.compile(r"(?:^|\s)(header\.from|header\.d|smtp\.mailfrom)=(\S{1,320})")
_MOST_RESULTS = 64
_ADDRESS = re.compile(r"\s*from\s+\S+\s+\(\[?([0-9a-f:.]{2,45})(?:%[0-9]{1,5})?\]?\)\s+by\s", re.IGNORECASE)
_LONGEST_HOP = 2_048
_EXCHANGE_ONLINE = IPv6Network("2603:1000::/24")
"""Microsoft's addresses, by which the servers of Exchange Online reach one another."""


@dataclass(frozen=True, slots=True)
class _Result:
    """What one check said, with the domains that it was about."""

    method: str
    word: str
    domains: Mapping[str, str]


def is_confirmed(headers: Sequence[tuple[str, str]], address: str, policy: JunkPolicy) -> bool | None:
    """Whether the provider confirmed this address of the From header. None: it says nothing of it. Never raises.

    Exchange's composite check decides, then DMARC; without either, a DKIM signature or an SPF check of the address's
    own domain. `softpass` doesn't confirm. Nor does a check of another address than this: mail programs and servers
    don't agree on which address counts if From has several.

    headers: (name, value) pairs as sent, folded, in order.
    """
    statement = _believed(headers_of(headers), policy)
    if not statement:
        return None
    results = _results(statement)
    domain = address.rpartition("@")[2].lower().rstrip(".")
    checked = {result.domains["header.from"] for result in results if "header.from" in result.domains}
    is_about_it = checked <= {domain}
    for method in ("compauth", "dmarc"):
        words = {result.word for result in results if result.method == method}
        if words - ({"none"} if method == "dmarc" else set()):
            return words == {"pass"} and is_about_it
    others = [result for result in results if result.method in ("dkim", "spf") and result.word != "none"]
    return None if not others else is_about_it and any(_is_of(result, domain) for result in others)


def _believed(headers: Headers, policy: JunkPolicy) -> str:
    """The provider's statement; empty if there is none."""
    for position, statement in headers.placed("authentication-results")[:1]:
        boundary = find_boundary(headers, policy)
        if boundary.recognised and boundary.ends_at is not None and position < boundary.ends_at:
            hops = [hop for place, hop in headers.placed("received") if place < position]
            return statement if all(_is_inside(hop) for hop in hops) else ""
    return ""


def _is_inside(received: str) -> bool:
    """Whether this hop came from an address that only the provider's own servers have. The receiving server writes it;
    the name before it is only what the sending host calls itself.
    """
    match = _ADDRESS.match(plain(received[:_LONGEST_HOP]))
    if match is None:
        return False
    try:
        address = ip_address(match[1])
    except ValueError:
        return False
    return not address.is_global or address in _EXCHANGE_ONLINE


def _results(value: str) -> list[_Result]:
    text = plain(value).lower()
    for _ in range(_DEEPEST if "(" in text else 0):
        text = _COMMENT.sub(" ", text)
    found = []
    for part in text.split(";", _MOST_RESULTS)[:_MOST_RESULTS]:
        domains = {name: domain.rpartition("@")[2].strip('".') for name, domain in _PROPERTY.findall(part)}
        found += [_Result(method, word, domains) for method, word in _WORD.findall(part)]
    return found


def _is_of(result: _Result, domain: str) -> bool:
    """Whether this check passed for the domain itself. DKIM: or for one above it."""
    if result.word != "pass":
        return False
    if result.method == "spf":
        return result.domains.get("smtp.mailfrom") == domain
    signed = result.domains.get("header.d", "")
    return signed == domain or ("." in signed and domain.endswith(f".{signed}"))
