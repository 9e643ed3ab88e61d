"""Whether a server is reached: its name, its port, and TLS with a certificate that is trusted. Nothing is sent."""

import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from worker.commands.doctor.presented import Presented, issuer_named, presented_certificate
from worker.commands.doctor.road import Road
from worker.commands.doctor.steps import Step, ok, wrong
from worker.commands.exits import ExitCode
from worker.connections import ProxyFault, ProxyTrouble, verified_context
from worker.logs.system_words import NO_SUCH_NAME, NOT_TLS, system_fault, system_words

NETWORK: Final = "your network team"
YOU: Final = "you, in the configuration"
MACHINE: Final = "the people who run this machine"
# OpenSSL's numbers of what is wrong with a certificate (X509_V_ERR_…)
_NOT_YET: Final = 9
_EXPIRED: Final = 10
_OTHER_NAME: Final = frozenset({62, 64})
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3})")
"""How http.client says that a proxy refused."""
_ISSUER: Final = ("commonName", "organizationName", "organizationalUnitName")
_DATE: Final = "%Y-%m-%d %H:%M UTC"


def reach(road: Road, kind: str, clock: Callable[[], float]) -> Iterator[Step]:
    """Go as far as it goes, and give each step. The last one is wrong if the server isn't reached.

    kind: `mail` or `sign-in`, of which the steps' names are made.
    """
    if not road.by_proxy:
        step = _name(road, kind)
        yield step
        if step.is_wrong:
            return
    step = _port(road, kind)
    yield step
    if not step.is_wrong:
        yield _tls(road, kind, clock)


def _name(road: Road, kind: str) -> Step:
    name = f"{kind}-dns"
    try:
        found = socket.getaddrinfo(road.host, road.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return wrong(
            name,
            f"The name {road.host} can't be resolved here. Nothing can be reached by it.",
            who=f"{YOU}, if the name is wrong; else {NETWORK}",
            do=f"Compare {road.setting} with the server's name. If it is right, this machine's DNS must resolve it.",
            exactly=(f"getent hosts {road.host}",),
            code=ExitCode.UNREACHABLE,
        )
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    more = f", and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    if addresses == [road.host]:
        return ok(name, f"{road.host} is an address, so no name is looked up.")
    return ok(name, f"{road.host} is {addresses[0]}{more}.")


def _port(road: Road, kind: str) -> Step:
    """With a proxy, whether it lets us through."""
    try:
        road.connect().close()
    except OSError as error:
        return _closed(road, kind, error)
    if road.by_proxy:
        return ok(proxy_step(kind), f"The proxy {road.proxy_host} leads to {road.host}:{road.port} ({road.named_by}).")
    return ok(f"{kind}-port", f"Port {road.port} answers.")


def proxy_step(kind: str) -> str:
    """The name of the step that asks the proxy for the way to this server."""
    return "proxy" if kind == "mail" else f"{kind}-proxy"


def _closed(road: Road, kind: str, error: OSError) -> Step:
    if isinstance(error, ProxyTrouble):
        return wrong(
            proxy_step(kind),
            f"{str(error)[:1].upper()}{str(error)[1:]}. {_whose(error.fault)}: {road.host} was never reached, and "
            "nothing was sent to it.",
            who=error.who,
            do=_about_the_proxy(error.fault, f"{road.host}, TCP {road.port}"),
            code=ExitCode.UNREACHABLE,
        )
    if road.by_settings and isinstance(error, socket.gaierror):
        return wrong(
            proxy_step(kind),
            f"The name {road.host} can't be resolved here, and a socks5:// proxy must be told an address. "
            "Nothing was sent.",
            who=f"{YOU}, if the name is wrong; else {NETWORK}",
            do=f"Compare {road.setting} with the server's name. If it is right, write socks5h:// in [proxy] url: then "
            "the proxy looks up names.",
            exactly=(f"getent hosts {road.host}",),
            code=ExitCode.UNREACHABLE,
        )
    if road.proxy is not None:
        return wrong(
            "sign-in-proxy",
            f"The proxy {road.proxy_host}, which HTTPS_PROXY names, doesn't lead to {road.host}:{road.port} "
            f"({_said(error)}).",
            who=NETWORK,
            do=f"The proxy must allow {road.host}:{road.port}. If no proxy is needed, name the host in NO_PROXY.",
            code=ExitCode.UNREACHABLE,
        )
    refused = isinstance(error, ConnectionRefusedError)
    silent = f"Nobody answers at port {road.port} within {road.timeout:g} s: usually a firewall"
    return wrong(
        f"{kind}-port",
        f"Port {road.port} of {road.host} refuses the connection." if refused else f"{silent} ({_said(error)}).",
        who=f"{YOU}, if the port is wrong, otherwise {NETWORK}",
        do=f"Compare {road.setting} with the server's. If it is right, the firewall must let this machine connect to "
        f"{road.host}, TCP {road.port}.",
        exactly=(f"nc -vz {road.host} {road.port}",),
        code=ExitCode.UNREACHABLE,
    )


def _whose(fault: ProxyFault) -> str:
    answered = fault in (ProxyFault.CREDENTIALS, ProxyFault.POLICY, ProxyFault.TARGET, ProxyFault.OTHER)
    return "The proxy gave this answer" if answered else "The fault is on the way to the proxy, or in the proxy itself"


def _about_the_proxy(fault: ProxyFault, target: str) -> str:
    """What to do about a proxy's refusal. target: the server behind it."""
    match fault:
        case ProxyFault.UNREACHABLE:
            return "Compare [proxy] url with its name and port. If it is right, a firewall is in between."
        case ProxyFault.UNTRUSTED:
            return (
                "Name its authority in [proxy] ca_file. If it doesn't support TLS itself, its url begins with http://."
            )
        case ProxyFault.CREDENTIALS:
            return "Compare username and password in [proxy] with theirs, and restart the worker after a change."
        case ProxyFault.BROKEN:
            return "Compare [proxy] url with the kind of proxy: http:// and https:// use CONNECT, the others SOCKS5."
        case ProxyFault.POLICY | ProxyFault.OTHER:
            rule = f"Its rules must let this machine connect to {target}."
            return f"{rule} If no proxy is needed, name the host in [proxy] no_proxy."
        case ProxyFault.TARGET | ProxyFault.SILENT:
            return f"Ask for its log to be checked for {target}, at this time."


def _tls(road: Road, kind: str, clock: Callable[[], float]) -> Step:
    name = f"{kind}-tls"
    try:
        with (
            road.connect() as plain,
            verified_context(road.ca_file).wrap_socket(plain, server_hostname=road.host) as secured,
        ):
            version, shown = secured.version(), secured.getpeercert()
    except ssl.SSLCertVerificationError as error:
        return _untrusted(road, name, error, presented_certificate(road), clock())
    except OSError as error:
        if system_fault(error) == NOT_TLS:
            return wrong(
                name,
                f"Something answers at {road.host}:{road.port}, but this port doesn't speak TLS. Nothing was sent.",
                who=f"{YOU}, if the port is wrong; else {NETWORK}",
                do=f"Compare {road.setting} with the server's. Port {road.port} must speak TLS from its first byte: "
                "for mail that is 993, and not 143.",
                code=ExitCode.UNREACHABLE,
            )
        return wrong(
            name,
            f"Something answers at {road.host}:{road.port}, but TLS with it fails ({_said(error)}). Its certificate "
            "isn't the reason. Nothing was sent.",
            who=f"{YOU}, if the port is wrong, otherwise {NETWORK}",
            do=(
                f"Port {road.port} must speak TLS 1.2 or newer from its first byte. A firewall that inspects TLS may "
                "also end such connections."
            ),
            code=ExitCode.UNREACHABLE,
        )
    given = _attributes(shown)
    issuer = issuer_named([given.get(part, "") for part in _ISSUER])
    return ok(name, f"{version}; the certificate is trusted, issued by {issuer}, and lasts until {_ends(shown)}.")


def _untrusted(road: Road, name: str, error: ssl.SSLCertVerificationError, shown: Presented | None, now: float) -> Step:
    """Say what is wrong with the certificate. shown: as it was presented, if that could be seen."""
    issued = "Who issued it can't be read here" if shown is None else f"It was issued by {shown.issuer}"
    here = f"this machine's clock says {datetime.fromtimestamp(now, UTC):{_DATE}}"
    if error.verify_code in (_NOT_YET, _EXPIRED) and shown is not None:
        return wrong(
            name,
            f"The certificate of {road.host} is valid from {shown.begins:{_DATE}} to {shown.ends:{_DATE}}, and {here}. "
            f"{issued}. Nothing was sent.",
            who=f"{MACHINE}, if its clock is wrong, otherwise the people who run {road.host}",
            do="Compare the clock first. If it is right, the server needs a new certificate.",
            exactly=("timedatectl status",),
            code=ExitCode.UNREACHABLE,
        )
    if error.verify_code in _OTHER_NAME and shown is not None:
        return wrong(
            name,
            f"The certificate for {road.host} belongs to another server: {', '.join(shown.names) or 'no name'}. "
            f"{issued}. Nothing was sent.",
            who=f"{YOU}, if the name is wrong, otherwise {NETWORK}",
            do=f"Compare {road.setting} with the server's name. If it is right, something answers in its place.",
            code=ExitCode.UNREACHABLE,
        )
    return wrong(
        name,
        f"The certificate for {road.host} isn't trusted ({error.verify_message}). {issued}. If that isn't a public "
        "authority, a device in between inspects TLS and shows its own certificate, or the server uses a private "
        "authority. Nothing was sent.",
        who=NETWORK,
        do=(
            f"Have {road.host}:{road.port} exempted from TLS inspection. If the inspection is intended, or the "
            "authority is your own, name its certificate in [account] ca_file."
        ),
        exactly=() if road.by_proxy else (f"openssl s_client -connect {road.host}:{road.port} -showcerts </dev/null",),
        code=ExitCode.UNREACHABLE,
    )


def _attributes(shown: Mapping[str, Any] | None) -> dict[str, str]:
    return {key: str(value) for part in (shown or {}).get("issuer", ()) for key, value in part}


def _ends(shown: Mapping[str, Any] | None) -> str:
    until = ssl.cert_time_to_seconds(str((shown or {})["notAfter"]))
    return f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d}"


def _said(error: Exception) -> str:
    """What the operating system or OpenSSL says, without what somebody sent."""
    if system_fault(error) in (NO_SUCH_NAME, NOT_TLS):
        return system_words(error)
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason
    if refused := _TUNNEL.match(str(error)):
        return f"HTTP {refused[1]}"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
