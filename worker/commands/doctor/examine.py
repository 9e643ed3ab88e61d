"""Goes through the sign-in step by step. What spends nothing comes first, and what can't succeed any more isn't tried.

The mail server is looked at before the sign-in service is asked for a token: no token is needed for a server that can't
be reached, or that takes none.
"""

from collections.abc import Iterator

from worker.commands.context import Context
from worker.commands.doctor.login_steps import LoginSteps
from worker.commands.doctor.mailbox_steps import mailbox_steps
from worker.commands.doctor.reach import NETWORK, YOU, reach
from worker.commands.doctor.road import Road
from worker.commands.doctor.sign_in_steps import sign_in_steps
from worker.commands.doctor.steps import Report, Step, in_order, ok, wrong
from worker.commands.exits import ExitCode
from worker.commands.failures import failure_of
from worker.commands.wiring.login_wiring import help_of, oauth_config
from worker.login.credential import CredentialUnavailable
from worker.mailbox.errors import MailboxError
from worker.mailbox.login_offer import LoginOffer
from worker.mailbox.session import Session


def examine(context: Context) -> Report:
    """Examine the sign-in. Makes at most one attempt, through the guard, and changes nothing in the mailbox."""
    account = context.settings.account
    session = context.parts.new_session()
    try:
        found = list(_steps(context, session))
    finally:
        session.close()
    steps = in_order(found, has_tokens=account.auth != "password")
    return Report(account.address, account.auth, account.host, account.port, steps)


def _steps(context: Context, session: Session) -> Iterator[Step]:
    found = list(_mail(context, session))
    yield from found
    if context.settings.account.auth != "password":
        more = list(_sign_in(context))
        yield from more
        found += more
    if any(step.stops for step in found):
        return
    login = LoginSteps(context, session)
    folders = login.log_in()
    yield from login.found
    if folders is not None:
        yield from mailbox_steps(context, session, folders)


def _mail(context: Context, session: Session) -> Iterator[Step]:
    account = context.settings.account
    timeout = account.connect_timeout.total_seconds()
    proxy = context.parts.proxy
    road = Road(account.host, account.port, "[account] host and port", timeout, account.ca_file, configured=proxy)
    for step in reach(road, "mail", context.parts.clock):
        yield step
        if step.is_wrong:
            return
    try:
        session.connect()
        yield _capabilities(session.login_offer(), context)
    except MailboxError as error:
        failed = failure_of(error, host=account.host)
        if failed is None:
            raise
        yield wrong(
            "capabilities", str(failed), who=(f"nobody, if it ends on its own, otherwise {NETWORK}"), code=failed.code
        )


def _capabilities(offer: LoginOffer, context: Context) -> Step:
    """Whether the server offers our way to log in. Of a password's letters nothing is known here."""
    account = context.settings.account
    if account.auth == "password":
        suits, needs = offer.login or offer.takes_password(""), "the command LOGIN or AUTH=PLAIN"
    else:
        suits, needs = offer.takes_token, "AUTH=XOAUTH2"
    said = f"Before the login, {account.host} offers {offer.names()}"
    if suits:
        return ok("capabilities", f"{said}.")
    return wrong(
        "capabilities",
        f'{said}. auth = "{account.auth}" needs {needs}, so no login was tried.',
        who=f"{YOU}, if you meant another server, otherwise {help_of(context.settings).local_administrator}",
        do="Check `host`, `port` and `auth` under `[account]`, or ask for this login method to be allowed.",
        code=ExitCode.HALTED,
    )


def _sign_in(context: Context) -> Iterator[Step]:
    settings = context.settings
    try:
        yield from sign_in_steps(oauth_config(settings), help_of(settings), context.parts.clock)
    except CredentialUnavailable as error:
        yield wrong("discovery", str(error), who="the people who run this machine", code=ExitCode.CONFIGURATION)
