"""OAuth 2.0 for IMAP, by msal: the three flows, and what the token endpoint's answers mean for the guard.

The guard stands in front: msal is only asked within an attempt, whose row is on the disk. Where a flow sends the
account's password to the token endpoint (`oauth2-password`), that is an attempt at the password like any other.
msal and requests are only imported where OAuth is configured (extra `oauth`).
"""

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, Self

from worker.login.advice import DECLINED, RAN_OUT
from worker.login.credential import (
    Auth,
    Candidate,
    Credential,
    CredentialUnavailable,
    PasswordSource,
    Token,
    read_secret,
)
from worker.login.token_cache import SignIn, TokenCache
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass, Kind, failure
from worker.mailbox.token_answers import classify_token_failure
from worker.private_files import FileMode

Flow = Literal["oauth2-client", "oauth2-device", "oauth2-password"]

APPLICATION_SCOPES: Final = ("https://outlook.office365.com/.default",)
DELEGATED_SCOPES: Final = ("https://outlook.office.com/IMAP.AccessAsUser.All",)
_WITH_REFRESH: Final = ("openid", "profile", "offline_access")
"""Asked for besides a delegated scope, for a refresh token and to know whose it is; msal adds them in other flows."""
_NOT_THERE: Final = frozenset({400, 404})
"""What discovery answers of a tenant or an address that doesn't exist. Any other status may be gone the next time."""
_NOT_MADE: Final = {
    **dict.fromkeys(("authorization_declined", "access_denied"), DECLINED),
    **dict.fromkeys(("expired_token", "authorization_pending", "slow_down"), RAN_OUT),
}
"""How a device sign-in ends without one, by the endpoint's last word (RFC 8628)."""
_NO_TENANT: Final = "AADSTS90002"


@dataclass(frozen=True, slots=True)
class OAuthConfig:
    """The application's registration. Times in seconds. Of the secrets, one: a value, its file, or a certificate's."""

    tenant: str
    client_id: str
    authority: str = "https://login.microsoftonline.com"
    scopes: tuple[str, ...] = ()
    client_secret: str | None = field(default=None, repr=False)
    client_secret_file: Path | None = None
    certificate_file: Path | None = None
    file_mode: FileMode = "private"
    refresh_ahead: float = 300.0
    timeout: float = 30.0
    ca_file: Path | None = None


class OAuthSource:
    """Tokens for one account, by one flow.

    password: where `oauth2-password` finds the account's password. state_dir: where the token cache lies.
    """

    def __init__(
        self, flow: Flow, user: str, config: OAuthConfig, *, state_dir: Path, password: PasswordSource | None = None
    ) -> None:
        if (flow == "oauth2-password") != (password is not None):
            raise ValueError("the account's password belongs to oauth2-password, and to no other flow")
        _import_msal()
        self._flow = flow
        self._user = user
        self._config = config
        self._password = password
        self._cache = TokenCache(state_dir)
        self._application_tokens: Any = None

    @property
    def needs_restart(self) -> bool:
        """Whether a changed secret is only seen after a restart."""
        if self._password is not None:
            return self._password.needs_restart
        return self._config.client_secret is not None

    @property
    def auth(self) -> Auth:
        """The flow."""
        return self._flow

    @property
    def way(self) -> str:
        """The flow, where it asks, and as which application for what."""
        config = self._config
        return " ".join((self._flow, config.authority.rstrip("/"), config.tenant, config.client_id, *self._scopes()))

    def candidate(self) -> Candidate:
        """What an attempt would send now.

        Raises:
            CredentialUnavailable
        """
        if self._flow == "oauth2-client":
            secret, identity = self._client_secret()
            return _Candidate("token", identity, None, lambda refresh: self._by_secret(secret, refresh=refresh))
        kept = self._cache.load()
        if self._password is not None:
            password = self._password.read()
            if kept is not None:
                return _Candidate("token", password, password, lambda refresh: self._silently(kept, refresh=refresh))
            return _Candidate("password", password, password, lambda _refresh: self._by_password(password))
        if kept is None:
            raise CredentialUnavailable(
                f"Nobody has signed in for {self._user} yet. No login was tried. Run `nhsmail-worker login authorise`."
            )
        return _Candidate("token", kept.name, None, lambda refresh: self._silently(kept, refresh=refresh))

    def authorise(self, tell: Callable[[str], None]) -> None:
        """Device sign-in: a person signs in with a browser, anywhere; the tokens are kept.

        tell: is given the address and the code for the person. Takes until they are done, or the code runs out.

        Raises:
            LoginFailed: the sign-in was refused or ran out.
            CredentialUnavailable: somebody signed in who isn't the account, or the tokens can't be kept.
        """
        tokens = _import_msal().SerializableTokenCache()
        with self._application(tokens, "token") as asked:
            begun = asked.application.initiate_device_flow(scopes=self._scopes())
            if "user_code" not in begun:
                raise _NoToken
            tell(str(begun["message"]))
            answer = asked.application.acquire_token_by_device_flow(begun)
            if "access_token" not in answer:
                found = asked.failed().failure
                raise LoginFailed(replace(found, said=_NOT_MADE.get(answer.get("error"), found.said)))
        name = str((answer.get("id_token_claims") or {}).get("preferred_username", ""))
        if name.casefold() != self._user.casefold():
            raise CredentialUnavailable(
                f"The person who signed in isn't {self._user}, and the worker serves that account alone. Nothing was "
                f"kept. Run the command again and sign in as {self._user}."
            )
        self._cache.save(tokens.serialize())

    # -- the flows -----------------------------------------------------------------------------------------------------

    def _by_secret(self, secret: Any, *, refresh: bool) -> Token:
        """Client credentials. The token is kept in memory only: a new one costs nothing."""
        if self._application_tokens is None:
            self._application_tokens = _import_msal().SerializableTokenCache()
        with self._application(self._application_tokens, "token", secret) as asked:
            if refresh:
                asked.application.remove_tokens_for_client()
            answer = asked.application.acquire_token_for_client(scopes=self._scopes())
            if self._nearly_over(answer):
                asked.application.remove_tokens_for_client()
                answer = asked.application.acquire_token_for_client(scopes=self._scopes())
            return self._token(answer)

    def _silently(self, kept: SignIn, *, refresh: bool) -> Token:
        """With what was kept of a sign-in: its access token, or a new one for its refresh token."""
        tokens = _import_msal().SerializableTokenCache()
        with suppress(ValueError):
            tokens.deserialize(kept.tokens)
        try:
            token = self._renewed(tokens, refresh=refresh)
        except LoginFailed as failed:
            if failed.failure.cls is FailureClass.SIGN_IN_AGAIN and self._password is not None:
                self._cache.forget()  # the password makes a new one, as an attempt of its own
            raise
        if tokens.has_state_changed:
            self._cache.save(tokens.serialize(), name=kept.name)
        return token

    def _renewed(self, tokens: Any, *, refresh: bool) -> Token:
        with self._application(tokens, "token") as asked:
            accounts = asked.application.get_accounts()
            answer = self._from_account(asked, accounts[0], refresh=refresh) if accounts else None
            if answer is None:  # neither an access token nor a refresh token
                raise LoginFailed(failure(FailureClass.SIGN_IN_AGAIN, "token"))
            return self._token(answer)

    def _from_account(self, asked: "_Asked", account: Any, *, refresh: bool) -> Mapping[str, Any] | None:
        def get(*, force: bool) -> Mapping[str, Any] | None:
            found: Mapping[str, Any] | None = asked.application.acquire_token_silent_with_error(
                self._scopes(), account=account, force_refresh=force
            )
            return found

        answer = get(force=refresh)
        return get(force=True) if answer is not None and not refresh and self._nearly_over(answer) else answer

    def _by_password(self, password: str) -> Token:
        """The account's password against the token endpoint: an attempt at the password."""
        tokens = _import_msal().SerializableTokenCache()
        with self._application(tokens, "password") as asked:
            # Not by msal's own wrapper: for a federated domain that would send the password to another server.
            answer = asked.application.client.obtain_token_by_username_password(
                self._user, password, scope=[*self._scopes(), *_WITH_REFRESH]
            )
            token = self._token(answer)
        self._cache.save(tokens.serialize())
        return token

    # -- inside --------------------------------------------------------------------------------------------------------

    def _application(self, tokens: Any, kind: Kind, secret: Any = None) -> "_Asked":
        return _Asked(self._config, kind, tokens, secret)

    def _token(self, answer: Mapping[str, Any]) -> Token:
        if "access_token" not in answer:
            raise _NoToken
        return Token(self._user, str(answer["access_token"]), kept=_is_kept(answer))

    def _nearly_over(self, answer: Mapping[str, Any]) -> bool:
        """Whether a kept token ends sooner than we like to start a session on. A new one is what it is."""
        return _is_kept(answer) and float(answer["expires_in"]) < self._config.refresh_ahead

    def _scopes(self) -> list[str]:
        default = APPLICATION_SCOPES if self._flow == "oauth2-client" else DELEGATED_SCOPES
        return list(self._config.scopes or default)

    def _client_secret(self) -> tuple[Any, str]:
        """The application's secret as msal wants it, and what tells it from another."""
        config = self._config
        name = f"{config.tenant}/{config.client_id}/"
        if config.certificate_file is not None:
            pem = read_secret(config.certificate_file, config.file_mode)
            return _certificate(pem, config.certificate_file), name + pem
        if config.client_secret_file is not None:
            secret = read_secret(config.client_secret_file, config.file_mode)
        else:
            secret = config.client_secret or ""
        if not secret:
            raise CredentialUnavailable(
                "The application's secret is empty. No login was tried. Set `client_secret_file` or `certificate_file` "
                "under `[account.oauth]`."
            )
        return secret, name + secret


def _is_kept(answer: Mapping[str, Any]) -> bool:
    """Whether msal had the token already."""
    return answer.get("token_source") == "cache"


@dataclass(frozen=True, slots=True, repr=False)
class _Candidate:
    """A candidate whose credential comes from the token endpoint."""

    kind: Kind
    identity: str
    password: str | None
    get: Callable[[bool], Credential]

    def obtain(self, *, refresh: bool) -> Credential:
        """Ask the token endpoint."""
        return self.get(refresh)


class _NoToken(Exception):
    """The token endpoint's last answer holds no token. Never leaves a conversation, which says what it means."""


class _Asked:
    """One conversation with the token endpoint: msal's application, and what passed over the wire.

    As a context, it turns whatever msal and requests raise into `LoginFailed`.
    """

    def __init__(self, config: OAuthConfig, kind: Kind, tokens: Any, secret: Any) -> None:
        self._config = config
        self._kind = kind
        self._tokens = tokens
        self._secret = secret
        self._wire = _Wire(config)
        self.application: Any = None

    def __enter__(self) -> Self:
        msal = _import_msal()
        config = self._config
        given: dict[str, Any] = {
            "authority": f"{config.authority.rstrip('/')}/{config.tenant}",
            "token_cache": self._tokens,
            "http_client": self._wire,
            # Nobody is asked about the endpoint, least of all after it has refused: that answer is the one to go by.
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
        """What the endpoint's last answer means, or the lack of one."""
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


class _Wire:
    """The HTTP client that msal uses: bounded in time, without redirects; it remembers what came of the last request.

    posted: a request with a credential in it may have left. status: of the last answer, None: none came.
    numbers and description: of the error that it told. no_tenant: it said that there is no such tenant.
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
        """Discovery: nothing secret."""
        return self._send("GET", url, **given)

    def post(self, url: str, **given: Any) -> Any:
        """A request with a credential."""
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
    """Whether a request failed before there was a connection to send it on."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(next(iter(error.args), None), "reason", None)
    return isinstance(reason, NewConnectionError)


def _adapter(ca_file: Path) -> Any:
    """Trusts a private authority as well as the public ones; requests' own setting would replace them."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *given: Any, **named: Any) -> Any:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_verify_locations(ca_file)
            return super().init_poolmanager(*given, ssl_context=context, **named)

    return Adapter()


def _certificate(pem: str, path: Path) -> dict[str, str]:
    """The certificate and its key as msal wants them. It makes the thumbprint itself: one that it is given is SHA-1."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate, key = x509.load_pem_x509_certificate(pem.encode()), load_pem_private_key(pem.encode(), None)
        fits = certificate.public_key() == key.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: the key has a passphrase
        fits = False
    if not fits:
        raise CredentialUnavailable(
            f"{path} doesn't hold a certificate and its private key in PEM. No login was tried. Put both into the "
            "file, the key without a passphrase."
        )
    return {"private_key": pem, "public_certificate": pem}


def _import_msal() -> Any:
    try:
        return import_module("msal")  # the extra `oauth`
    except ImportError as error:
        raise CredentialUnavailable(
            "OAuth needs a library that isn't installed. No login was tried. Install `nhsmail-worker[oauth]`."
        ) from error
