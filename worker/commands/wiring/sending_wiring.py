"""Builds the account's sign-in for sending, by which `[alerts.submission]` goes out."""

from collections.abc import Callable

from worker.commands.wiring.login_wiring import oauth_source, reading_guard
from worker.journal.store import Journal
from worker.login.mutex import AttemptMutex
from worker.login.sending import SendingSignIn
from worker.settings import Settings


def sending_sign_in_of(
    settings: Settings, journal: Journal, clock: Callable[[], float], *, by_person: bool = False
) -> SendingSignIn | None:
    """The sign-in; None if nothing is sent by it. by_person: somebody waits for the result, so it is tried at once.

    The guard is asked where the login stands, and can make no attempt by this.
    """
    auth = settings.account.auth
    if not settings.alerts.submission.to or auth == "password":
        return None
    return SendingSignIn(
        oauth_source(settings, auth),
        login=reading_guard(settings, journal, clock),
        mutex=AttemptMutex(journal.database, settings.state.dir),
        memory=journal.facts,
        clock=clock,
        by_person=by_person,
    )
