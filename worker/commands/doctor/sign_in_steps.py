"""The sign-in service, asked without any secret: who answers, whether it knows the tenant, what time it is there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from worker.commands.doctor.reach import MACHINE, NETWORK, YOU, reach
from worker.commands.doctor.road import Road
from worker.commands.doctor.steps import Step, note, ok, wrong
from worker.commands.exits import ExitCode
from worker.login.advice import Help
from worker.login.registration import OAuthConfig
from worker.login.token_endpoint import UnfitDiscovery, Wire
from worker.observe.humanise import span

DISCOVERY: Final = "v2.0/.well-known/openid-configuration"
"""Where msal asks a sign-in service for its addresses, below the tenant's."""
MOST_OFF: Final = 60.0
"""Seconds by which the clock may be off. Microsoft accepts five minutes; a clock that is kept is within one second."""
_OK: Final = 200
_NO_SUCH: Final = frozenset({400, 404})
_BUSY: Final = 429
_SERVER_FAULT: Final = 500


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer's own date, and when it was asked for and came, by our clock; all in epoch seconds."""

    there: float
    asked: float
    came: float

    @property
    def ahead(self) -> float:
        """By how many seconds our clock is ahead of theirs. Theirs is told in whole seconds."""
        return (self.asked + self.came) / 2 - (self.there + 0.5)

    @property
    def is_off(self) -> bool:
        """Whether one of the two clocks is wrong, and not merely the answer slow."""
        return abs(self.ahead) > MOST_OFF + (self.came - self.asked) / 2


def sign_in_steps(config: OAuthConfig, help_: Help, clock: Callable[[], float]) -> Iterator[Step]:
    """Give the steps to the sign-in service, as far as it goes.

    Raises:
        CredentialUnavailable: the library for OAuth isn't installed.
    """
    parts = urlsplit(config.authority)
    host = parts.hostname or config.authority
    road = Road(
        host,
        parts.port or 443,
        "[account.oauth] authority",
        config.timeout,
        config.ca_file,
        None if config.proxy is not None else _proxy(config.authority),
        config.proxy,
    )
    for step in reach(road, "sign-in", clock):
        yield step
        if step.is_wrong:
            return
    yield from _discovered(config, help_, clock, host)


def _discovered(config: OAuthConfig, help_: Help, clock: Callable[[], float], host: str) -> Iterator[Step]:
    wire = Wire(config, clock)
    asked = clock()
    try:
        answer = wire.get(
            f"{config.authority.rstrip('/')}/{config.tenant}/{DISCOVERY}", headers={"Cache-Control": "no-cache"}
        )
    except UnfitDiscovery:
        yield _unfit(host, "it names no addresses")
        return
    except Exception as error:  # noqa: BLE001 -- whatever requests raises, there was no answer
        yield wrong(
            "discovery",
            f"{host} was reached, and then gave no answer ({type(error).__name__}).",
            who=f"nobody, if it ends on its own, otherwise {NETWORK}",
            do="Try again in some minutes.",
            code=ExitCode.UNREACHABLE,
        )
        return
    finally:
        wire.close()
    came = clock()
    yield _answered(wire, config, help_, host)
    yield _told(heard(answer.headers, asked, came), host)


def _answered(wire: Wire, config: OAuthConfig, help_: Help, host: str) -> Step:
    status = wire.status or 0
    said = ", ".join([*(f"AADSTS{number}" for number in wire.refusal.numbers[:1]), f"HTTP {status}"])
    if status == _OK:
        return ok("discovery", f"{host} knows the tenant, and names the addresses to sign in at.")
    if wire.no_tenant or status in _NO_SUCH:
        return wrong(
            "discovery",
            f"{host} doesn't know the tenant \"{config.tenant}\" ({said}). The worker can't get a token, and nothing "
            "was sent.",
            who=YOU,
            do="Set `tenant` under `[account.oauth]` to the tenant's id, or one of its domains. "
            f"{help_who(help_)} has it from the registration of the application.",
            code=ExitCode.CONFIGURATION,
        )
    if status == _BUSY or status >= _SERVER_FAULT:
        return wrong(
            "discovery",
            f"{host} can't answer now ({said}). The worker can't get a token meanwhile.",
            who="nobody: it passes",
            do="Try again in some minutes. If it lasts for an hour, check Microsoft's service health page.",
            code=ExitCode.NOT_NOW if status == _BUSY else ExitCode.UNREACHABLE,
        )
    return _unfit(host, said)


def _unfit(host: str, said: str) -> Step:
    return wrong(
        "discovery",
        f"What answers at {host} isn't a sign-in service ({said}). It may be a proxy's page. Nothing was sent to it.",
        who=f"{YOU}, if `authority` under `[account.oauth]` is wrong, otherwise {NETWORK}",
        do=f"Ask for this machine to be let through to {host} without a proxy's page in between.",
        code=ExitCode.UNREACHABLE,
    )


def _told(found: Heard | None, host: str) -> Step:
    if found is None:
        return note("clock", f"{host} doesn't give the time, so this machine's clock wasn't compared.")
    if not found.is_off:
        return ok("clock", f"This machine's clock agrees with {host}.")
    which = "ahead of" if found.ahead > 0 else "behind"
    here, there = (datetime.fromtimestamp(at, UTC) for at in (found.came, found.there))
    return wrong(
        "clock",
        f"This machine's clock is {_about(abs(found.ahead))} {which} {host}'s: {here:%H:%M:%S} UTC here, "
        f"{there:%H:%M:%S} UTC there. Tokens then seem to have expired when they haven't, or the other way round. "
        "With a difference of more than five minutes, Microsoft refuses a certificate's signature (AADSTS700024).",
        who=MACHINE,
        do="Synchronise the clock by NTP. In a container or a virtual machine, that is the host's clock.",
        exactly=("timedatectl status", "timedatectl set-ntp true"),
    )


def heard(headers: Any, asked: float, came: float) -> Heard | None:
    """When an answer was made by its own word. A cache on the way says how old it is (RFC 9111); None: it says nothing.

    asked, came: epoch s, by our clock.
    """
    try:
        said = parsedate_to_datetime(str(headers.get("Date")))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    age = str(headers.get("Age") or "0")
    older = int(age) if age.isascii() and age.isdecimal() and len(age) < 8 else 0
    at = said.replace(tzinfo=UTC) if said.tzinfo is None else said
    return Heard(at.timestamp() + older, asked, came)


def _about(seconds: float) -> str:
    """A length of time, rounded."""
    return span(seconds + (30 if seconds >= 100 else 0.5))


def help_who(help_: Help) -> str:
    """The Local Administrator, at the beginning of a sentence."""
    return help_.local_administrator[:1].upper() + help_.local_administrator[1:]


def _proxy(url: str) -> str | None:
    """The proxy that requests takes from the environment for this address."""
    from requests.utils import get_environ_proxies, select_proxy

    found = select_proxy(url, get_environ_proxies(url))
    return None if found is None else str(found)
