"""OAuth 2.0 for IMAP: where tokens come from, in each of the three flows.

The token endpoint is asked only within an attempt that the guard has granted and whose row is on the disk. Where a flow
sends the account's password to the token endpoint (`oauth2-password`), that is an attempt with the password like any
other.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from worker.login.advice import DECLINED, RAN_OUT
from worker.login.credential import Auth, Candidate, Credential, CredentialUnavailable, PasswordSource, Token
from worker.login.registration import OAuthConfig
from worker.login.token_cache import SignIn, TokenCache
from worker.login.token_endpoint import Conversation, NoToken, import_msal
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass, Kind, failure

Flow = Literal["oauth2-client", "oauth2-device", "oauth2-password"]

APPLICATION_SCOPES: Final = ("https://outlook.office365.com/.default",)
DELEGATED_SCOPES: Final = ("https://outlook.office.com/IMAP.AccessAsUser.All",)
_WITH_REFRESH: Final = ("openid", "profile", "offline_access")
"""Requested with a delegated scope, to get a refresh token and to learn whose it is. msal adds them in other flows."""
_NOT_MADE: Final = {
    **dict.fromkeys(("authorization_declined", "access_denied"), DECLINED),
    **dict.fromkeys(("expired_token", "authorization_pending", "slow_down"), RAN_OUT),
}
"""Why a device sign-in failed, by the endpoint's last error (RFC 8628)."""


class OAuthSource:
    """The source of tokens for one account, by one flow.

    password: where `oauth2-password` gets the account's password. state_dir: the folder of the token cache.
    """

    def __init__(
        self, flow: Flow, user: str, config: OAuthConfig, *, state_dir: Path, password: PasswordSource | None = None
    ) -> None:
        if (flow == "oauth2-password") != (password is not None):
            raise ValueError("the account's password belongs to oauth2-password, and to no other flow")
        import_msal()
        self._flow = flow
        self._user = user
        self._config = config
        self._password = password
        self._cache = TokenCache(state_dir)
        default = APPLICATION_SCOPES if flow == "oauth2-client" else DELEGATED_SCOPES
        self._tokens = _Tokens(user, config, list(config.scopes or default), self._cache)

    @property
    def needs_restart(self) -> bool:
        """Whether a changed secret is seen only after a restart."""
        if self._password is not None:
            return self._password.needs_restart
        return self._config.client_secret is not None

    @property
    def auth(self) -> Auth:
        """The flow."""
        return self._flow

    @property
    def way(self) -> str:
        """The flow, the authority, the application and the scopes."""
        config = self._config
        where = config.authority.rstrip("/")
        return " ".join((self._flow, where, config.tenant, config.client_id, *self._tokens.scopes))

    def candidate(self) -> Candidate:
        """What an attempt would send now.

        Raises:
            CredentialUnavailable
        """
        if self._flow == "oauth2-client":
            secret, identity = self._config.secret()
            return _Application(self._tokens, secret, identity)
        kept = self._cache.load()
        if self._password is not None:
            password = self._password.read()
            if kept is not None:
                return _SignedIn(self._tokens, kept, identity=password, password=password)
            return _ByPassword(self._tokens, password)
        if kept is None:
            raise CredentialUnavailable(
                f"Nobody has signed in for {self._user} yet. No login was tried. Run `nhsmail-worker login authorise`."
            )
        return _SignedIn(self._tokens, kept, identity=kept.name, password=None)

    def authorise(self, tell: Callable[[str], None]) -> None:
        """Sign in by device code: a person signs in with a browser on any device, and the tokens are kept.

        tell: called with the text for the person, which has the address and the code. This returns when they have
        signed in.

        Raises:
            LoginFailed: the sign-in was refused, or the code ran out.
            CredentialUnavailable: somebody else signed in, or the tokens can't be kept.
        """
        self._tokens.by_device(tell)


class _Tokens:
    """Gets tokens by any of the flows. A sign-in's tokens are kept in the cache, an application's in memory."""

    def __init__(self, user: str, config: OAuthConfig, scopes: list[str], cache: TokenCache) -> None:
        self.scopes = scopes
        self._user = user
        self._config = config
        self._cache = cache
        self._application_tokens: Any = None

    def by_secret(self, secret: Any, *, refresh: bool) -> Token:
        """Get the application's token (client credentials). It is kept in memory only: a new one costs nothing."""
        if self._application_tokens is None:
            self._application_tokens = import_msal().SerializableTokenCache()
        with Conversation(self._config, "token", self._application_tokens, secret) as asked:
            if refresh:
                asked.application.remove_tokens_for_client()
            answer = asked.application.acquire_token_for_client(scopes=self.scopes)
            if self._nearly_over(answer):
                asked.application.remove_tokens_for_client()
                answer = asked.application.acquire_token_for_client(scopes=self.scopes)
            return self._token(answer)

    def silently(self, kept: SignIn, *, refresh: bool, has_password: bool) -> Token:
        """Get a token from a kept sign-in: its access token, or a new one for its refresh token."""
        tokens = import_msal().SerializableTokenCache()
        with suppress(ValueError):
            tokens.deserialize(kept.tokens)
        try:
            token = self._renewed(tokens, refresh=refresh)
        except LoginFailed as failed:
            if failed.failure.cls is FailureClass.SIGN_IN_AGAIN and has_password:
                self._cache.forget()  # the password makes a new sign-in, as an attempt of its own
            raise
        if tokens.has_state_changed:
            self._cache.save(tokens.serialize(), name=kept.name)
        return token

    def by_password(self, password: str) -> Token:
        """Send the account's password to the token endpoint: an attempt with the password."""
        tokens = import_msal().SerializableTokenCache()
        with Conversation(self._config, "password", tokens) as asked:
            # msal's own wrapper would send the password of a federated domain to another server.
            answer = asked.application.client.obtain_token_by_username_password(
                self._user, password, scope=[*self.scopes, *_WITH_REFRESH]
            )
            token = self._token(answer)
        self._cache.save(tokens.serialize())
        return token

    def by_device(self, tell: Callable[[str], None]) -> None:
        """Let a person sign in with a browser. See `OAuthSource.authorise`."""
        tokens = import_msal().SerializableTokenCache()
        with Conversation(self._config, "token", tokens) as asked:
            begun = asked.application.initiate_device_flow(scopes=self.scopes)
            if "user_code" not in begun:
                raise NoToken
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

    def _renewed(self, tokens: Any, *, refresh: bool) -> Token:
        with Conversation(self._config, "token", tokens) as asked:
            accounts = asked.application.get_accounts()
            answer = self._from_account(asked, accounts[0], refresh=refresh) if accounts else None
            if answer is None:  # there is neither an access token nor a refresh token
                raise LoginFailed(failure(FailureClass.SIGN_IN_AGAIN, "token"))
            return self._token(answer)

    def _from_account(self, asked: Conversation, account: Any, *, refresh: bool) -> Mapping[str, Any] | None:
        def get(*, force: bool) -> Mapping[str, Any] | None:
            found: Mapping[str, Any] | None = asked.application.acquire_token_silent_with_error(
                self.scopes, account=account, force_refresh=force
            )
            return found

        answer = get(force=refresh)
        return get(force=True) if answer is not None and not refresh and self._nearly_over(answer) else answer

    def _token(self, answer: Mapping[str, Any]) -> Token:
        if "access_token" not in answer:
            raise NoToken
        return Token(self._user, str(answer["access_token"]), kept=_is_kept(answer))

    def _nearly_over(self, answer: Mapping[str, Any]) -> bool:
        """Whether a kept token expires too soon to start a session with. A new token is used whatever its lifetime."""
        return _is_kept(answer) and float(answer["expires_in"]) < self._config.refresh_ahead


def _is_kept(answer: Mapping[str, Any]) -> bool:
    """Whether msal had the token in its cache."""
    return answer.get("token_source") == "cache"


@dataclass(frozen=True, slots=True, repr=False)
class _Application:
    """The application's own token, in exchange for its secret."""

    tokens: _Tokens
    secret: Any
    identity: str
    kind: Kind = field(default="token", init=False)
    password: str | None = field(default=None, init=False)

    def obtain(self, *, refresh: bool) -> Credential:
        """Ask the token endpoint, unless a token is at hand."""
        return self.tokens.by_secret(self.secret, refresh=refresh)


@dataclass(frozen=True, slots=True, repr=False)
class _SignedIn:
    """A token from a kept sign-in. password: the account's, if it can make a new sign-in."""

    tokens: _Tokens
    kept: SignIn
    identity: str
    password: str | None
    kind: Kind = field(default="token", init=False)

    def obtain(self, *, refresh: bool) -> Credential:
        """Ask the token endpoint, unless a token is at hand."""
        return self.tokens.silently(self.kept, refresh=refresh, has_password=self.password is not None)


@dataclass(frozen=True, slots=True, repr=False)
class _ByPassword:
    """A token from a new sign-in with the account's password."""

    tokens: _Tokens
    password: str
    kind: Kind = field(default="password", init=False)

    @property
    def identity(self) -> str:
        """The password."""
        return self.password

    def obtain(self, *, refresh: bool) -> Credential:  # noqa: ARG002 -- nothing was kept, so every token is fresh
        """Send the password to the token endpoint."""
        return self.tokens.by_password(self.password)
