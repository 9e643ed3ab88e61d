"""Requests to the token endpoint, by msal over HTTP, and what the answers mean for the guard.

msal and requests belong to the extra `oauth`, and are imported only if OAuth is configured.
"""

import ssl
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Self

from worker.login.credential import CredentialUnavailable
from worker.login.registration import OAuthConfig
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass, Kind, failure
from worker.mailbox.token_answers import classify_token_failure

_NOT_THERE: Final = frozenset({400, 404})
"""Discovery's answers for a tenant or an address that doesn't exist. Any other failure may be transient."""
_NO_TENANT: Final = "AADSTS90002"


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
        if not wire.posted and (wire.status in _NOT_THERE or wire.no_tenant):
            return LoginFailed(failure(FailureClass.CONFIGURATION, self._kind, said="tenant"))
        return LoginFailed(
            classify_token_failure(
                kind=self._kind,
                numbers=wire.numbers,
                description=wire.description,
                status=wire.status,
                retry_after=wire.retry_after,
                sent=wire.posted,
            )
        )


class Wire:
    """The HTTP client for msal: with a timeout, without redirects. It remembers how the last request ended.

    posted: a request with a credential may have been sent.
    status: the last answer's; None if there was no answer.
    numbers and description: of the error in that answer. no_tenant: the answer said that there is no such tenant.
    """

    def __init__(self, config: OAuthConfig) -> None:
        import requests

        self._session = requests.Session()
        if config.ca_file is not None:
            self._session.mount("https://", _adapter(config.ca_file))
        self._timeout = config.timeout
        self.posted = False
        self.status: int | None = None
        self.retry_after: timedelta | None = None
        self.numbers: tuple[int, ...] = ()
        self.description = ""
        self.no_tenant = False

    def get(self, url: str, **given: Any) -> Any:
        """Send a discovery request, which holds no secret."""
        return self._send("GET", url, **given)

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
        self.status, self.retry_after = None, None
        self.numbers, self.description, self.no_tenant = (), "", False
        answer = self._session.request(method, url, timeout=self._timeout, allow_redirects=False, **given)
        self.status = int(answer.status_code)
        seconds = str(answer.headers.get("Retry-After"))
        if seconds.isdecimal() and len(seconds) < 8:
            self.retry_after = timedelta(seconds=int(seconds))
        with suppress(ValueError, AttributeError, TypeError):
            body = answer.json()
            self.description = str(body.get("error_description"))
            self.no_tenant = body.get("error") == "invalid_tenant" or _NO_TENANT in self.description
            self.numbers = tuple(int(number) for number in body.get("error_codes") or ())
        return answer


def _never_connected(error: Exception) -> bool:
    """Whether a request failed before there was a connection to send it over."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(next(iter(error.args), None), "reason", None)
    return isinstance(reason, NewConnectionError)


def _adapter(ca_file: Path) -> Any:
    """Return an adapter that trusts a private authority besides the public ones, which requests' own setting would
    replace."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *given: Any, **named: Any) -> Any:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_verify_locations(ca_file)
            return super().init_poolmanager(*given, ssl_context=context, **named)

    return Adapter()


def import_msal() -> Any:
    """Return the msal module.

    Raises:
        CredentialUnavailable: it isn't installed.
    """
    try:
        return import_module("msal")  # the extra `oauth`
    except ImportError as error:
        raise CredentialUnavailable(
            "OAuth needs a library that isn't installed. No login was tried. Install `nhsmail-worker[oauth]`."
        ) from error
