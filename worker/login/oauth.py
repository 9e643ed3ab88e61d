"""OAuth 2.0 for IMAP: where tokens come from, in each of the flows.

To log in, the token endpoint is asked only within an attempt that the guard has granted and whose row is on the disk.
Where a flow sends the account's password to the token endpoint (`oauth2-password`), that is an attempt with the
password like any other. A token to send alerts with is got beside the guard, by a sign-in that is there (`sending`).
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from worker.login.browser_sign_in import sign_in_with_browser
from worker.login.credential import Auth, Candidate, Credential, CredentialUnavailable, PasswordSource, Token
from worker.login.device_sign_in import sign_in_with_device
from worker.login.redirect import Redirects
from worker.login.registration import OAuthConfig
from worker.login.token_cache import SignIn, TokenCache
from worker.login.token_endpoint import Conversation, NoToken, import_msal
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass, Kind, failure

Flow = Literal["oauth2-browser", "oauth2-client", "oauth2-device", "oauth2-password"]

APPLICATION_SCOPES: Final = ("https://outlook.office365.com/.default",)
DELEGATED_SCOPES: Final = ("https://outlook.office.com/IMAP.AccessAsUser.All",)
SENDING_SCOPES: Final = ("https://outlook.office.com/SMTP.Send",)
"""What a person's sign-in is asked for besides, to send alerts by. An application's token has it by its own scope."""
_WITH_REFRESH: Final = ("openid", "profile", "offline_access")
"""Requested with a delegated scope, to get a refresh token and to learn whose it is. msal adds them in other flows."""


class OAuthSource:
    """The source of tokens for one account, by one flow.

    user: the mailbox's address. sign_in: who signs in with a browser, if that isn't the mailbox's own account.
    password: where `oauth2-password` gets the account's password. state_dir: the folder of the token cache. also:
    scopes that a person who signs in is asked for besides those for reading.
    """

    def __init__(
        self,
        flow: Flow,
        user: str,
        config: OAuthConfig,
        *,
        state_dir: Path,
        password: PasswordSource | None = None,
        sign_in: str | None = None,
        also: tuple[str, ...] = (),
    ) -> None:
        if (flow == "oauth2-password") != (password is not None):
            raise ValueError("the account's password belongs to oauth2-password, and to no other flow")
        if flow == "oauth2-password" and sign_in is not None:
            raise ValueError("with the account's password nobody else signs in")
        import_msal()
        self._flow = flow
        self._user = user
        self._sign_in = user if sign_in is None or sign_in.casefold() == user.casefold() else sign_in
        self._config = config
        self._password = password
        self._cache = TokenCache(state_dir)
        default = APPLICATION_SCOPES if flow == "oauth2-client" else DELEGATED_SCOPES
        scopes = list(config.scopes or default)
        self._tokens = _Tokens(user, self._sign_in, config, scopes, self._cache, also=also)
        to_send = scopes if flow == "oauth2-client" else list(SENDING_SCOPES)
        self._tokens_to_send = _Tokens(user, self._sign_in, config, to_send, self._cache)

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
        """The flow, the authority, the application, the scopes, and who signs in, if that isn't the mailbox itself."""
        config = self._config
        where = config.authority.rstrip("/")
        other = () if self._sign_in == self._user else (self._sign_in,)
        return " ".join((self._flow, where, config.tenant, config.client_id, *self._tokens.scopes, *other))

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
            if kept is not None and kept.is_of(self._user, mailbox=self._user):
                return _SignedIn(self._tokens, kept, identity=password, password=password)
            return _ByPassword(self._tokens, password)
        if kept is None:
            raise CredentialUnavailable(self._nobody(f"Nobody has signed in for {self._user} yet."))
        if not kept.is_of(self._sign_in, mailbox=self._user):
            raise CredentialUnavailable(self._nobody("The stored sign-in belongs to another user."))
        secret, proof = self._proof()
        return _SignedIn(self._tokens, kept, identity=" ".join((kept.name, *proof)), password=None, secret=secret)

    def sending(self) -> Candidate:
        """What would be sent to the account's SMTP server: a token, and in no flow a password.

        Raises:
            CredentialUnavailable: nobody has signed in, or not for sending.
        """
        if self._flow == "oauth2-client":
            secret, identity = self._config.secret()
            return _Application(self._tokens_to_send, secret, identity)
        kept = self._cache.load()
        if kept is None or not kept.is_of(self._sign_in, mailbox=self._user):
            raise CredentialUnavailable(self._nobody(f"Nobody has signed in for {self._user} yet."))
        # A sign-in with the password asks for reading alone, so that nothing about sending can make it fail.
        if self._password is None and not set(SENDING_SCOPES) <= set(kept.scopes):
            raise CredentialUnavailable(self._nobody("The stored sign-in allows only reading."))
        secret, proof = self._proof()
        return _SignedIn(
            self._tokens_to_send, kept, identity=" ".join((kept.name, *proof)), password=None, secret=secret
        )

    def authorise(self, tell: Callable[[str], None]) -> None:
        """Sign in by device code: a person signs in with a browser on any device, and the tokens are kept.

        tell: called with the text for the person, which has the address and the code. This returns when they have
        signed in.

        Raises:
            LoginFailed: the sign-in was refused, or the code ran out.
            CredentialUnavailable: somebody else signed in, or the tokens can't be kept.
        """
        self._tokens.by_device(tell)

    def authorise_by_browser(self, redirects: Redirects) -> None:
        """Sign in by authorization code: a person signs in with a browser that is sent back to us.

        Raises:
            LoginFailed: the sign-in was refused, or not finished.
            CredentialUnavailable: somebody else signed in, or the tokens can't be kept.
        """
        secret, _ = self._proof()
        self._tokens.by_browser(redirects, secret)

    def _proof(self) -> tuple[Any, tuple[str, ...]]:
        """What proves the application besides its id, and the text that distinguishes it; nothing for a public client.

        Raises:
            CredentialUnavailable
        """
        if self._flow != "oauth2-browser" or not self._config.is_confidential:
            return None, ()
        secret, identity = self._config.secret()
        return secret, (identity,)

    def _nobody(self, what: str) -> str:
        who = "" if self._sign_in == self._user else f", and have {self._sign_in} sign in"
        return f"{what} No login was tried. Run `nhsmail-worker login authorise`{who}."


class _Tokens:
    """Gets tokens by any of the flows. A sign-in's tokens are kept in the cache, an application's in memory."""

    def __init__(
        self,
        user: str,
        sign_in: str,
        config: OAuthConfig,
        scopes: list[str],
        cache: TokenCache,
        *,
        also: tuple[str, ...] = (),
    ) -> None:
        self.scopes = scopes
        self._asked = [*scopes, *also]
        self._user = user
        self._sign_in = sign_in
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

    def silently(self, kept: SignIn, *, refresh: bool, has_password: bool, secret: Any = None) -> Token:
        """Get a token from a kept sign-in: its access token, or a new one for its refresh token."""
        tokens = import_msal().SerializableTokenCache()
        with suppress(ValueError):
            tokens.deserialize(kept.tokens)
        try:
            token = self._renewed(tokens, secret, refresh=refresh)
        except LoginFailed as failed:
            if failed.failure.cls is FailureClass.SIGN_IN_AGAIN and has_password:
                self._cache.forget(kept)  # the password makes a new sign-in, as an attempt of its own
            raise
        if tokens.has_state_changed:
            self._cache.renew(kept, tokens.serialize(), user=kept.user or self._user)
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
        self._cache.save(tokens.serialize(), user=self._user)
        return token

    def by_device(self, tell: Callable[[str], None]) -> None:
        """Let a person sign in with a browser. See `OAuthSource.authorise`."""
        tokens = import_msal().SerializableTokenCache()
        with Conversation(self._config, "token", tokens) as asked:
            answer = sign_in_with_device(asked, self._asked, tell)
        self._keep(answer, tokens)

    def by_browser(self, redirects: Redirects, secret: Any) -> None:
        """Let a person sign in with a browser that comes back. See `OAuthSource.authorise_by_browser`."""
        tokens = import_msal().SerializableTokenCache()
        with Conversation(self._config, "token", tokens, secret) as asked:
            answer = sign_in_with_browser(asked, self._asked, redirects, hint=self._sign_in)
        self._keep(answer, tokens)

    def _keep(self, answer: Mapping[str, Any], tokens: Any) -> None:
        """Keep a person's sign-in, if the right person has signed in, and it can be renewed."""
        name = str((answer.get("id_token_claims") or {}).get("preferred_username", ""))
        if name.casefold() != self._sign_in.casefold():
            account = "that account" if self._sign_in == self._user else "that user"
            raise CredentialUnavailable(
                f"The person who signed in isn't {self._sign_in}, and the worker serves only {account}. Nothing was "
                f"kept. Run the command again and sign in as {self._sign_in}."
            )
        if not next(tokens.search(tokens.CredentialType.REFRESH_TOKEN), None):
            raise CredentialUnavailable(
                "The sign-in service gave no refresh token, so the sign-in would end within hours. Nothing was "
                "kept. Ask for `offline_access` in the application's registration, then run the command again."
            )
        self._cache.save(tokens.serialize(), user=self._sign_in, scopes=self._asked)

    def _renewed(self, tokens: Any, secret: Any, *, refresh: bool) -> Token:
        with Conversation(self._config, "token", tokens, secret) as asked:
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
    """A token from a kept sign-in.

    password: the account's, if it can make a new sign-in. secret: what proves a confidential client, in msal's form.
    """

    tokens: _Tokens
    kept: SignIn
    identity: str
    password: str | None
    secret: Any = None
    kind: Kind = field(default="token", init=False)

    def obtain(self, *, refresh: bool) -> Credential:
        """Ask the token endpoint, unless a token is at hand."""
        has_password = self.password is not None
        return self.tokens.silently(self.kept, refresh=refresh, has_password=has_password, secret=self.secret)


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
