"""Requests to the token endpoint, by msal over HTTP, and what the answers mean for the guard.

msal and requests belong to the extra `oauth`, and are imported only if OAuth is configured.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, Final, Self

from worker.connections import ProxyTrouble
from worker.login.advice import BY_PROXY, NO_DISCOVERY, UNREACHED
from worker.login.credential import CredentialUnavailable
from worker.login.endpoint_answers import NOTHING, classify_token_failure, read_refusal
from worker.login.endpoint_errors import NO_TENANT
from worker.login.endpoint_session import EndpointDialer, https_session
from worker.login.registration import OAuthConfig
from worker.logs.system_words import NO_SUCH_NAME, NOT_TLS, fault_words, system_fault
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass, Kind, Phase, failure

_NOT_THERE: Final = frozenset({400, 404})
"""Discovery's answers for a tenant or an address that doesn't exist. Any other failure may be transient."""
_OK: Final = 200
_DISCOVERY: Final = "/.well-known/openid-configuration"
_NEEDED: Final = ("authorization_endpoint", "token_endpoint")
_USED: Final = (*_NEEDED, "device_authorization_endpoint")


class UnfitDiscovery(Exception):
    """What answered in place of discovery isn't a sign-in service's. `Conversation` turns this into `LoginFailed`."""


class NoToken(Exception):
    """The token endpoint's last answer holds no token. `Conversation` turns this into `LoginFailed`."""


class Conversation:
    """One conversation with the token endpoint: msal's application, and the HTTP client that it uses.

    As a context manager, it turns whatever msal and requests raise into `LoginFailed`.
    """

    def __init__(self, config: OAuthConfig, kind: Kind, tokens: Any, secret: Any = None) -> None:
        self._config = config
        self._kind = kind
        self._tokens = tokens
        self._secret = secret
        self._wire = Wire(config)
        self.application: Any = None

    def __enter__(self) -> Self:
        msal = import_msal()
        config = self._config
        given: dict[str, Any] = {
            "authority": f"{config.authority.rstrip('/')}/{config.tenant}",
            "token_cache": self._tokens,
            "http_client": self._wire,
            # Don't ask Microsoft about the endpoint, least of all after a refusal: the endpoint's own answer decides.
            "instance_discovery": False,
        }
        try:
            if self._secret is None:
                self.application = msal.PublicClientApplication(config.client_id, **given)
            else:
                self.application = msal.ConfidentialClientApplication(
                    config.client_id, client_credential=self._secret, **given
                )
        except Exception as error:
            self._wire.close()
            raise self.failed() from error
        return self

    def __exit__(self, _class: object, error: BaseException | None, _traceback: object) -> None:
        self._wire.close()
        if error is None or isinstance(error, LoginFailed | CredentialUnavailable) or not isinstance(error, Exception):
            return
        raise self.failed() from error

    def failed(self) -> LoginFailed:
        """Return what the endpoint's last answer, or the lack of an answer, means as a failure."""
        wire = self._wire
        if wire.status is None and wire.by_proxy is not None:
            told = f"{BY_PROXY}{wire.by_proxy}"
            return LoginFailed(failure(FailureClass.UNAVAILABLE, self._kind, said=told, phase=Phase.CONNECT))
        if not wire.posted and (wire.status in _NOT_THERE or wire.no_tenant):
            said = wire.refusal.said or "tenant"
            return LoginFailed(failure(FailureClass.CONFIGURATION, self._kind, said=said))
        if not wire.posted and wire.status == _OK:
            unfit = failure(FailureClass.UNAVAILABLE, self._kind, said=NO_DISCOVERY, phase=Phase.CONNECT)
            return LoginFailed(unfit)
        found = classify_token_failure(
            wire.refusal,
            kind=self._kind,
            status=wire.status,
            retry_after=wire.retry_after,
            sent=wire.posted,
        )
        if wire.status is None and not wire.posted and wire.fault in (NO_SUCH_NAME, NOT_TLS):
            found = replace(found, said=f"{UNREACHED}{fault_words(wire.fault)}")
        return LoginFailed(found)


class Wire:
    """The HTTP client for msal: with a timeout, without redirects. It remembers how the last request ended.

    posted: a request with a credential may have been sent.
    status: the last answer's; None if there was no answer.
    refusal: what that answer said of an error.
    fault: if there was no answer, what the system says of that, as a name; None: nothing.
    """

    def __init__(self, config: OAuthConfig, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._dialer = EndpointDialer(config.proxy)
        self._session = https_session(config.ca_file, self._dialer if config.proxy is not None else None)
        self._timeout = config.timeout
        self.posted = False
        self.status: int | None = None
        self.retry_after: timedelta | None = None
        self.refusal = NOTHING
        self.fault: str | None = None

    @property
    def by_proxy(self) -> ProxyTrouble | None:
        """Why the proxy made no connection for the last request; None if it did, or if there is none."""
        return self._dialer.trouble

    @property
    def no_tenant(self) -> bool:
        """Whether the last answer said that there is no such tenant."""
        return self.refusal.error == "invalid_tenant" or not NO_TENANT.isdisjoint(self.refusal.numbers)

    def get(self, url: str, **given: Any) -> Any:
        """Send a discovery request, which holds no secret.

        Raises:
            UnfitDiscovery: the answer names no addresses that a secret may be sent to.
        """
        answer = self._send("GET", url, **given)
        if self.status == _OK and url.endswith(_DISCOVERY) and not _is_fit(answer):
            raise UnfitDiscovery
        return answer

    def post(self, url: str, **given: Any) -> Any:
        """Send a request with a credential."""
        before, self.posted = self.posted, True
        try:
            return self._send("POST", url, **given)
        except Exception as error:
            if _never_connected(error):
                self.posted = before
            raise

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _send(self, method: str, url: str, **given: Any) -> Any:
        self.status, self.retry_after, self.refusal = None, None, NOTHING
        self.fault = None
        self._dialer.forget()
        try:
            answer = self._session.request(method, url, timeout=self._timeout, allow_redirects=False, **given)
        except Exception as error:
            self.fault = system_fault(error)
            raise
        self.note(answer)
        return answer

    def note(self, answer: Any) -> None:
        """Remember an answer as the last one."""
        self.status = int(answer.status_code)
        self.retry_after = self._retry_after(answer.headers)
        self.refusal = NOTHING
        with suppress(ValueError, RecursionError):
            self.refusal = read_refusal(answer.json())

    def _retry_after(self, headers: Mapping[str, str]) -> timedelta | None:
        """The wait that the answer asks for, in seconds or by a date (RFC 9110); None if it names none.

        A date is compared with the answer's own, as our clock may be wrong.
        """
        asked = str(headers.get("Retry-After"))
        if asked.isascii() and asked.isdecimal() and len(asked) < 8:
            return timedelta(seconds=int(asked))
        until = _date(asked)
        if until is None:
            return None
        now = _date(str(headers.get("Date"))) or datetime.fromtimestamp(self._clock(), UTC)
        return max(until - now, timedelta())


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _is_fit(answer: Any) -> bool:
    """Whether an answer to discovery names the addresses that we need, each by https."""
    try:
        found = answer.json()
    except ValueError:
        return False
    if not isinstance(found, dict):
        return False
    used = [found.get(name) for name in _USED if name in _NEEDED or found.get(name) is not None]
    return all(isinstance(address, str) and address.startswith("https://") for address in used)


def _never_connected(error: Exception) -> bool:
    """Whether a request failed before there was a connection to send it over."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.InvalidSchema):
        return True
    reason = getattr(next(iter(error.args), None), "reason", None)
    return isinstance(reason, NewConnectionError)


def import_msal() -> Any:
    """Return the msal module.

    Raises:
        CredentialUnavailable: it isn't installed.
    """
    try:
        return import_module("msal")  # the extra `oauth`
    except ImportError as error:
        raise CredentialUnavailable(
            "OAuth needs a library that isn't installed. No login was tried. Install the worker with "
            "`scripts/install`, which brings it."
        ) from error
