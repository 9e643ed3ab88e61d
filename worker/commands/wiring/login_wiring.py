"""Builds the login: the guard, the sources of credentials, and who is told of login events."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from worker.journal.attempts import AttemptLedger
from worker.journal.store import Journal
from worker.login.advice import Help
from worker.login.backoff import Lockout
from worker.login.credential import Auth, CredentialSource, PasswordSource
from worker.login.guard import Guard
from worker.login.history import Rules
from worker.login.mutex import AttemptMutex
from worker.login.password_policy import Refusal, policy_named
from worker.login.telling import Notify
from worker.login.witness import Witness
from worker.logs.who import actor as person
from worker.settings import Settings, proxy_of
from worker.settings.exchange_hosts import is_exchange_online

if TYPE_CHECKING:
    from worker.login.oauth import Flow, OAuthSource
    from worker.login.registration import OAuthConfig
    from worker.observe.announcer import Announcer
    from worker.observe.listener import Listener


def guard_of(
    settings: Settings, journal: Journal, clock: Callable[[], float], *, notify: Notify, actor: str | None = None
) -> Guard:
    """The login guard. actor: the replica that logs in; None: the person who runs this command."""
    return Guard(
        ledger=AttemptLedger(journal.database),
        witness=Witness(settings.state.dir),
        mutex=AttemptMutex(journal.database, settings.state.dir),
        source=_source(settings),
        rules=_rules(settings),
        clock=clock,
        random=random.SystemRandom(),
        actor=person() if actor is None else actor,
        notify=notify,
    )


def reading_guard(settings: Settings, journal: Journal, clock: Callable[[], float]) -> Guard:
    """A guard that is only asked for the status: it announces nothing, so it needs no audit trail."""
    return guard_of(settings, journal, clock, notify=lambda _event, _fields: None)


def refusal_of(settings: Settings, journal: Journal | None, clock: Callable[[], float]) -> Refusal | None:
    """Why the password that the settings name can't be right by the policy; None if it can, or if there is none.

    journal: the passwords that were accepted before; None: they aren't known.

    Raises:
        CredentialUnavailable, JournalUnavailable
    """
    if journal is not None:
        return reading_guard(settings, journal, clock).refusal()
    rules, password = _rules(settings), _source(settings).candidate().password
    return None if password is None else rules.policy.refusal(password, rules.account)


def announcer_of(listener: "Listener") -> "Announcer":
    """Writes what the guard reports to the log, the audit trail and the metrics."""
    from worker.observe.announcer import Announcer  # here, because who has a listener has loaded it

    return Announcer(listener.audit, listener.metrics, advises=listener.lasts)


def help_of(settings: Settings) -> Help:
    """Whom the guard's advice says to ring."""
    return Help(settings.help.local_administrator, settings.help.helpdesk)


def oauth_source(settings: Settings, flow: "Flow") -> "OAuthSource":
    """A source of OAuth tokens for one of the flows."""
    from worker.login.oauth import SENDING_SCOPES, OAuthSource  # here, because a login with a password needs none of it

    account = settings.account
    return OAuthSource(
        flow,
        account.address,
        oauth_config(settings),
        state_dir=settings.state.dir,
        password=_password_source(settings) if flow == "oauth2-password" else None,
        sign_in=account.sign_in,
        also=SENDING_SCOPES if asks_to_send(settings, flow) else (),
    )


def asks_to_send(settings: Settings, auth: Auth) -> bool:
    """Whether a person who signs in is asked for sending, too."""
    return bool(settings.alerts.submission.to) and auth in ("oauth2-browser", "oauth2-device")


def oauth_config(settings: Settings) -> "OAuthConfig":
    """The application's registration, as the settings have it."""
    from worker.login.registration import OAuthConfig  # as in `oauth_source`

    account, oauth = settings.account, settings.account.oauth
    return OAuthConfig(
        tenant=oauth.tenant,
        client_id=oauth.client_id,
        authority=oauth.authority,
        scopes=oauth.scopes,
        client_secret=None if oauth.client_secret is None else oauth.client_secret.get_secret_value(),
        client_secret_file=oauth.client_secret_file,
        certificate_file=oauth.certificate_file,
        file_mode=account.password_file_mode,
        refresh_ahead=oauth.refresh_ahead.total_seconds(),
        timeout=account.read_timeout.total_seconds(),
        ca_file=account.ca_file,
        proxy=proxy_of(settings),
    )


def _source(settings: Settings) -> CredentialSource:
    """The source of the credential that the settings ask for: the password, or one of the OAuth flows."""
    auth = settings.account.auth
    return _password_source(settings) if auth == "password" else oauth_source(settings, auth)


def _password_source(settings: Settings) -> PasswordSource:
    account = settings.account
    value = None if account.password is None else account.password.get_secret_value()
    return PasswordSource(account.address, file=account.password_file, value=value, mode=account.password_file_mode)


def _rules(settings: Settings) -> Rules:
    account, password = settings.account, settings.password
    return Rules(
        account=account.address,
        lockout=_lockout(settings),
        policy=policy_named(password.policy, [name.strip() for name in password.owner_names]),
        max_age=password.max_age.total_seconds(),
        changed=None if password.changed is None else password.changed.timestamp(),
        help=help_of(settings),
        host=account.host,
        exchange_online=is_exchange_online(account.host),
        allow_password=account.allow_password,
    )


def _lockout(settings: Settings) -> Lockout:
    lockout = settings.lockout
    return Lockout(
        threshold=lockout.threshold,
        reserve=lockout.reserve,
        per_credential=lockout.per_credential,
        waits=tuple(wait.total_seconds() for wait in lockout.waits),
        jitter=lockout.jitter,
        token_attempts=lockout.token_attempts,
        reconnect=tuple(wait.total_seconds() for wait in settings.poll.reconnect),
    )
