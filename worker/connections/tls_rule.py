"""The one rule for every connection to another machine, of the worker and of its built-in handlers.

Beyond loopback addresses and unix sockets, a connection is TLS 1.2 or newer, and the server's certificate and name are
verified. The only exception is `allow_clear = true` in the table that names the server. It permits clear text, and
never TLS without verification. No other setting, URL parameter or environment variable weakens a connection, and no
connection falls back to less. A private authority can be trusted by naming its file. Which authorities are the system's
is OpenSSL's own matter: `SSL_CERT_FILE` and `SSL_CERT_DIR` may name others.

A client asks three questions here, before it sends anything:

- `Target`: may this server be spoken to at all?
- `unweakened` and `postgres_options`: do the URL's parameters leave the verification alone?
- `verified_context`: how is TLS done?
"""

import ipaddress
import os
import ssl
import sys
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

KEY_LOG: Final = "SSLKEYLOGFILE"
"""The variable by which TLS libraries are told to write down the keys of all connections."""

_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where Debian, Red Hat and Alpine keep the authorities that the system trusts."""


class Unprotected(ValueError):
    """A connection would be clear text, or TLS without verification. The text says what to change."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server at the other end of a connection.

    scheme: of its URL, or the protocol's name. host: a name or an address; empty for a unix socket.
    encrypted: the connection is verified TLS, or is given up. allow_clear: the setting of the table that names the
    server. table: that table's name, such as `[state]`; empty if whoever reports the fault puts the name before it.
    """

    scheme: str
    host: str
    port: int | None = None
    encrypted: bool = False
    allow_clear: bool = False
    table: str = ""

    @classmethod
    def of(cls, url: str, *, encrypted: Collection[str], allow_clear: bool = False, table: str = "") -> "Target":
        """The target that a URL names. encrypted: the schemes that are TLS.

        Raises:
            ValueError: the URL can't be read.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:  # its text quotes what stands there
            raise ValueError("has a port that is no number") from None
        return cls(parts.scheme, parts.hostname or "", port, parts.scheme in encrypted, allow_clear, table)

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves this machine."""
        return not self.host or is_loopback(self.host)

    @property
    def is_clear(self) -> bool:
        """Whether something leaves this machine in clear text."""
        return not self.encrypted and not self.is_local

    def check(self, instead: str) -> None:
        """Refuse a connection in clear text that isn't allowed. instead: what to use in its place.

        Raises:
            Unprotected: it isn't allowed.
        """
        if self.is_clear and not self.allow_clear:
            raise Unprotected(f"{self.scheme} to another machine is clear text: {instead}, or {line_for(self.table)}")


def line_for(table: str) -> str:
    """What to do to accept clear text: the exact line, and the table that it belongs to."""
    return f"accept clear text by adding to {table or 'this table'} the line: allow_clear = true"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: an address of its loopback interface, or `localhost`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def verified_context(ca_file: Path | None = None, *, alone: bool = False) -> ssl.SSLContext:
    """A context that verifies certificate and name, needs TLS 1.2 or newer, and logs no keys, whatever is set.

    ca_file: a PEM file with more authorities to trust. alone: trust these only, not those of the system.

    Raises:
        OSError: the file can't be read. ssl.SSLError: it holds no certificate.
    """
    # Not ssl.create_default_context, which logs the keys of its connections where SSLKEYLOGFILE says so.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if sys.version_info >= (3, 13):  # as create_default_context does from there on
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if ca_file is None or not alone:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def ignore_key_log(environ: MutableMapping[str, str]) -> None:
    """Forget `SSLKEYLOGFILE`: libraries that make their own TLS contexts would honour it, and so would children."""
    environ.pop(KEY_LOG, None)


# -- parameters of URLs, and options


def unweakened(query: str, known: Collection[str]) -> dict[str, str]:
    """The parameters of a URL, if all of them are known and none is about TLS beyond what `known` says.

    known: the names that may be there. A name of TLS that isn't among them may only ask for what is done anyway.

    Raises:
        Unprotected: a parameter weakens the connection. ValueError: one isn't known.
    """
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in known:
            found[name] = value
        elif _about_tls(name):
            if value.lower() not in _STRONG:
                raise Unprotected(f"{name} in the URL weakens TLS, which isn't possible: take it out")
        else:
            raise ValueError(f"can't have the parameter {name}: take it out")
    return found


def refuse_weakening(options: Mapping[str, Any]) -> None:
    """Refuse options of a library that weaken its connections, however deep they are, and URLs of clear text.

    Raises:
        Unprotected: names the option.
    """
    for path, value in _leaves(options):
        name = path.rpartition(".")[2].lower().replace("-", "_")
        text = str(value).strip().lower()
        if _permits(name) and text not in _WEAK:
            raise Unprotected(f"{path} weakens TLS, which isn't possible: take it out")
        if _about_tls(name) and not name.endswith(_FILES) and text in _WEAK:
            raise Unprotected(f"{path} weakens TLS, which isn't possible: take it out")
        if text.startswith("http:") and "prox" not in path.lower() and not is_loopback(urlsplit(text).hostname or ""):
            raise Unprotected(f"{path} is clear text to another machine: it must begin with https://")


_STRONG: Final = frozenset({"required", "cert_required", "true", "1", "yes", "on", "verify-full", "verify_identity"})
_WEAK: Final = frozenset(
    {"", "0", "false", "no", "n", "off", "none", "null", "never", "disable", "disabled", "allow", "prefer", "preferred"}
    | {"require", "verify-ca", "verify_ca", "verify_none", "optional", "try", "cert_none", "cert_optional"}
    | {"verifymode.cert_none", "verifymode.cert_optional", "insecure", "{}"}
)
_FILES: Final = ("file", "_path", "_certs", "rootcert", "sslcert", "sslkey", "_ca", "_key", "_crl", "certificate")
_PERMITTING: Final = (
    *("allow_", "insecure", "skip_verif", "no_verify", "trust_server", "trustserver", "emulator", "keylog"),
    "forwarding_for_https",  # the proxy would read what is sent
)


def _about_tls(name: str) -> bool:
    name = name.lower()
    return any(word in name for word in ("ssl", "tls", "verify", "cert", "secure", "encrypt", "hostname", "gssenc"))


def _permits(name: str) -> bool:
    return any(word in name for word in _PERMITTING) or ("disable" in name and _about_tls(name))


def _leaves(options: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(options, Mapping) and options:
        for name, value in options.items():
            yield from _leaves(value, f"{above}.{name}" if above else str(name))
    elif isinstance(options, list | tuple) and options:
        for value in options:
            yield from _leaves(value, above)
    else:
        yield above, options


# -- PostgreSQL


def postgres_options(
    given: Mapping[str, Any], *, allow_clear: bool, table: str = "", environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What libpq must be told besides these parameters. libpq prefers what it is told to any variable or service file.

    given: libpq's parameters as the driver would pass them on. Without `sslrootcert` (nor `PGSSLROOTCERT`, nor the
    user's `~/.postgresql/root.crt`) the system's authorities are trusted. With `allow_clear`, no TLS is tried unless
    the URL says `sslmode=verify-full`.

    Raises:
        Unprotected: a parameter asks for less. The text names it.
    """
    if "conninfo" in given or "dsn" in given:
        raise Unprotected("conninfo and dsn can't be looked into: give their parameters in the URL itself")
    if "sslkeylogfile" in given:
        raise Unprotected("sslkeylogfile isn't possible: take it out of the URL")
    if _postgres_is_local(given, environ):
        return {}
    mode, gss, least = (str(given.get(name, "")) for name in ("sslmode", "gssencmode", "ssl_min_protocol_version"))
    if mode not in ("", "verify-full", "disable"):
        raise Unprotected(f"sslmode={_word(mode)} doesn't verify the server: take it out, as verify-full is the rule")
    if mode == "disable" and not allow_clear:
        raise Unprotected(f"sslmode=disable is clear text: take it out of the URL, or {line_for(table)}")
    if gss not in ("", "disable"):
        raise Unprotected("gssencmode isn't TLS: take it out of the URL")
    if least not in ("", "TLSv1.2", "TLSv1.3"):
        raise Unprotected("ssl_min_protocol_version is less than TLSv1.2: take it out of the URL")
    if allow_clear and mode != "verify-full":
        return {"sslmode": "disable", "gssencmode": "disable"}
    told = {"sslmode": "verify-full", "gssencmode": "disable", "ssl_min_protocol_version": least or "TLSv1.2"}
    own = given.get("sslrootcert") or environ.get("PGSSLROOTCERT") or _postgres_authorities().exists()
    return told if own else told | {"sslrootcert": system_authorities()}


def system_authorities() -> str:
    """The file with the authorities that the system trusts; `SSL_CERT_FILE` may name another.

    Without such a file, the answer is libpq's own word for what its OpenSSL trusts.
    """
    named = ssl.get_default_verify_paths().cafile
    return next((file for file in (named, *_BUNDLES) if file and Path(file).is_file()), "system")


def _postgres_authorities() -> Path:
    return Path("~/.postgresql/root.crt").expanduser()


def _postgres_is_local(given: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Whether libpq can't but stay on this machine. A service file, which we don't read, could name any server."""
    if given.get("service") or environ.get("PGSERVICE"):
        return False
    hosts = str(given.get("host") or environ.get("PGHOST", "")).split(",")
    addresses = str(given.get("hostaddr") or environ.get("PGHOSTADDR", "")).split(",")
    return all(not host or host.startswith(("/", "@")) or is_loopback(host) for host in hosts) and all(
        not address or is_loopback(address) for address in addresses
    )


def _word(text: str) -> str:
    """A value for a message, if it is a plain word; never what somebody put there by mistake."""
    return text if len(text) < 12 and text.replace("-", "").isalpha() else "…"
