"""Which certificate a server presents, where it can't be verified: whoever issued it is the one to ask about.

This is the only connection of the worker that doesn't verify. It sends nothing and reads nothing beyond the handshake,
and is closed at once.
"""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from worker.commands.doctor.road import Road
from worker.mailbox.folder_names import printable

MOST_NAMES: Final = 4
"""How many of a certificate's names are shown."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A certificate as it was presented, unverified and safe to print. Times are in UTC."""

    issuer: str
    names: tuple[str, ...]
    begins: datetime
    ends: datetime


def presented_certificate(road: Road) -> Presented | None:
    """Look at the certificate at the end of a road; None if it can't be had or read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    der = None
    with suppress(OSError), road.connect() as plain, context.wrap_socket(plain, server_hostname=road.host) as shown:
        der = shown.getpeercert(binary_form=True)
    return None if der is None else _read(der)


def _read(der: bytes) -> Presented | None:
    try:
        from cryptography import x509  # it comes with msal
    except ImportError:
        return None
    try:
        found = x509.load_der_x509_certificate(der)
        issuer = {attribute.oid: str(attribute.value) for attribute in found.issuer}
        names: list[str] = []
        with suppress(x509.ExtensionNotFound):
            listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = listed.value.get_values_for_type(x509.DNSName)
    except ValueError:
        return None
    wanted = (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME, x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    return Presented(
        issuer=issuer_named([issuer.get(oid, "") for oid in wanted]),
        names=tuple(printable(name) for name in names[:MOST_NAMES]),
        begins=found.not_valid_before_utc,
        ends=found.not_valid_after_utc,
    )


def issuer_named(parts: list[str]) -> str:
    """An issuer for people, from its common name, organisation and unit, of which any may be empty."""
    return ", ".join(printable(part) for part in dict.fromkeys(parts) if part) or "an issuer without a name"
