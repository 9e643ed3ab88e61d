"""Builds what looks at everything that expires."""

from collections.abc import Callable

from worker.journal.store import Journal
from worker.login.expiry import Thing
from worker.login.expiry_files import ExpiryFiles
from worker.login.expiry_watch import ExpiryWatch
from worker.login.guard import Guard
from worker.login.telling import Notify
from worker.login.token_cache import TokenCache
from worker.observe.audit.chain_name import installation
from worker.observe.expiry_plan import expiry_plan
from worker.settings import Settings


def expiry_watch_of(
    settings: Settings, journal: Journal, guard: Guard, clock: Callable[[], float], *, notify: Notify
) -> ExpiryWatch:
    """The watch of this process. guard: says how old the password is. notify: is told of what is due."""
    return ExpiryWatch(
        expiry_plan(settings),
        installation=installation(settings.state.dir),
        login=guard,
        files=expiry_files_of(settings),
        memory=journal.facts,
        notify=notify,
        clock=clock,
    )


def expiry_files_of(settings: Settings) -> ExpiryFiles:
    """The files of these settings that say when something ends."""
    account, things = settings.account, expiry_plan(settings).things
    return ExpiryFiles(
        certificate=account.oauth.certificate_file if Thing.CLIENT_CERTIFICATE in things else None,
        mode=account.password_file_mode,
        tokens=TokenCache(settings.state.dir) if Thing.REFRESH_TOKEN in things else None,
    )
