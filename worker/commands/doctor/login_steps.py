"""The one attempt of an examination: whether the guard allows it, the token with its claims, and the login."""

from collections.abc import Sequence
from typing import Final

from worker.commands.context import Context
from worker.commands.doctor.reach import NETWORK, YOU
from worker.commands.doctor.steps import Step, note, ok, wrong
from worker.commands.exits import ExitCode
from worker.commands.failures import failure_of, not_logged_in
from worker.commands.wiring.login_wiring import help_of
from worker.journal.database import JournalUnavailable
from worker.login.attempt import Attempt
from worker.login.credential import CredentialUnavailable, Password, Token
from worker.login.guard import Guard
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, CredentialRefused, Halted, LastAttempt
from worker.login.standing import Reason, Standing
from worker.login.token_claims import AS_APPLICATION, AS_USER, Cause, Claims, cause_in, likely_cause, read_claims
from worker.logs.counted import counted
from worker.mailbox.errors import LoginFailed, MailboxError, NotConnected
from worker.mailbox.folders import FolderInfo
from worker.mailbox.login_failures import FailureClass
from worker.mailbox.session import Session
from worker.observe.humanise import span

_F: Final = FailureClass
_SEEN_IN_TOKEN: Final = frozenset(
    {Cause.AUDIENCE, Cause.OUT_OF_DATE, Cause.USER_PERMISSION, Cause.APPLICATION_PERMISSION}
)
"""Causes that the claims themselves show."""
_PASSES: Final = f"nobody, if it ends on its own, otherwise {NETWORK}"


class LoginSteps:
    """Makes one attempt through the guard, on a session that is connected, and notes each step of it.

    An attempt is begun only if the guard allows it; the last one is never used.
    """

    def __init__(self, context: Context, session: Session) -> None:
        self._context = context
        self._session = session
        self._parts = context.parts
        self._account = context.settings.account
        self._help = help_of(context.settings)
        self._at = "guard"
        self.found: list[Step] = []

    def log_in(self) -> list[FolderInfo] | None:
        """Make the attempt. Returns the folders of the mailbox, whose listing is part of it; None if it failed."""
        guard: Guard | None = None
        try:
            self._parts.open_journal()
            guard = self._parts.guard()
            allowed = guard.foresee()
            with guard.attempt(keep_last=True) as attempt:
                attempt.compare(self._session.login_offer())
                self.found.append(ok("guard", _allowed(allowed, attempt)))
                folders = self._attempt(attempt)
        except (LoginFailed, NotConnected) as error:
            if guard is None:  # can't be: only an attempt raises these
                raise
            self.found.append(self._refused(guard, error))
            return None
        except (Cooling, Halted) as refusal:
            if guard is None:  # likewise
                raise
            self.found.append(self._forbidden(guard, refusal))
            return None
        except Exception as error:
            step = self._otherwise(error)
            if step is None:
                raise
            self.found.append(step)
            return None
        self.found.append(
            ok("login", f"{self._account.host} takes the {_what(self._account.auth)}, and lists the folders.")
        )
        self.found = [_taken_anyway(step) for step in self.found]
        return folders

    def _attempt(self, attempt: Attempt) -> list[FolderInfo]:
        self._at = "login" if self._account.auth == "password" else "token"
        credential = attempt.credential()
        if isinstance(credential, Token):
            self.found.append(ok("token", _had(credential)))
            self.found.append(self._claims(credential))
        self._at = "login"
        if isinstance(credential, Password):
            self._session.login(credential.user, credential.secret)
        else:
            self._session.login_token(credential.mechanism())
        attempt.logged_in()
        folders = self._session.folders()
        attempt.first_command_ok()
        return folders

    # -- what the token says of itself

    def _claims(self, token: Token) -> Step:
        now, mailbox = self._parts.clock(), self._account.address
        claims = read_claims(token.secret)
        if claims is None:
            return note("claims", "The token's claims can't be read, so they weren't checked.")
        cause = likely_cause(claims, mailbox=mailbox, now=now)
        said = (
            f"According to its own claims, which only the server can verify, the token {_listed(claims, mailbox, now)}."
        )
        if cause not in _SEEN_IN_TOKEN:
            return ok("claims", said)
        who, exactly = self._mends(cause)
        return wrong("claims", said, who=who, do=_DO[cause], exactly=exactly)

    def _mends(self, cause: Cause) -> tuple[str, Sequence[str]]:
        """Who mends this, and what they type."""
        box, client = self._account.address, self._account.oauth.client_id
        admin = f"{self._help.local_administrator}, who can ask the tenant's administrators"
        access = "Add-MailboxPermission -Identity {} -User {} -AccessRights FullAccess"
        match cause:
            case Cause.AUDIENCE:
                return YOU, ()
            case Cause.OUT_OF_DATE:
                return "the people who run this machine", ("timedatectl status",)
            case Cause.USER_PERMISSION | Cause.APPLICATION_PERMISSION:
                what = (
                    f"Office 365 Exchange Online > Application: {AS_APPLICATION}"
                    if cause is Cause.APPLICATION_PERMISSION
                    else f"Microsoft Graph > Delegated: {AS_USER}"
                )
                path = f"App registrations > {client} > API permissions > {what}"
                return admin, (f"Entra admin centre: {path}, then Grant admin consent",)
            case Cause.SERVICE_PRINCIPAL:
                return admin, (
                    "Get-ServicePrincipal | Format-Table DisplayName, AppId, ObjectId",
                    f"New-ServicePrincipal -AppId {client} -ObjectId <object id of the Enterprise application>",
                    access.format(box, "<the same object id>"),
                )
            case Cause.FULL_ACCESS:
                return admin, (
                    f"Get-MailboxPermission -Identity {box}",
                    access.format(box, "<who signs in>"),
                    f"Get-CASMailbox -Identity {box} | Format-List ImapEnabled",
                )
            case Cause.IMAP_OFF:
                return admin, (
                    f"Get-CASMailbox -Identity {box} | Format-List ImapEnabled",
                    f"Set-CASMailbox -Identity {box} -ImapEnabled $true",
                )

    # -- what went wrong

    def _refused(self, guard: Guard, error: LoginFailed | NotConnected) -> Step:
        """The sign-in service or the mail server said no. The guard has recorded it, and knows what to do."""
        standing = guard.status().standing
        failed = not_logged_in(standing.state, guard.advice())
        cause = cause_in(standing.said) if self._at == "login" else None
        cls = error.failure.cls if isinstance(error, LoginFailed) else None
        who, exactly = self._mends(cause) if cause is not None else (self._who(cls), ())
        return wrong(self._at, str(failed), who=who, exactly=exactly, code=failed.code)

    def _forbidden(self, guard: Guard, refusal: Cooling | Halted) -> Step:
        """The guard allows no attempt, because of what came of an earlier one."""
        standing = guard.status().standing
        cause, reason = cause_in(standing.said), standing.reason
        cls = FailureClass(reason) if reason in set(FailureClass) else None
        who, exactly = self._mends(cause) if cause is not None else (self._who(cls), ())
        if reason == Reason.OAUTH_ONLY:
            who = f"{YOU}; {self._help.local_administrator} has the application registered"
        code = ExitCode.HALTED if isinstance(refusal, Halted) else ExitCode.NOT_NOW
        said = f"No attempt is allowed now, so none was made. {refusal.advice}"
        return wrong("guard", said, who=who, exactly=exactly, code=code)

    def _who(self, cls: FailureClass | None) -> str:
        admin = self._help.local_administrator
        match cls:
            case _F.REJECTED | _F.EXPIRED:
                return f"the owner of the account's password, or {admin}, if it is right and still refused"
            case _F.SIGN_IN_AGAIN:
                return "the person who signs the worker in"
            case _F.CONFIGURATION:
                return f"{admin}, or {YOU}, if the registration there is wrong"
            case _F.PROTOCOL:
                return self._help.helpdesk
            case _F.THROTTLED | _F.UNAVAILABLE | _F.LOST_BEFORE_SENDING | _F.LOST_AFTER_SENDING | _F.TOKEN_EXPIRED:
                return _PASSES
            case _:
                return admin

    def _otherwise(self, error: Exception) -> Step | None:
        """Another attempt is under way, there is no credential, or the connection ended. None: a bug of ours."""
        failed = failure_of(error, host=self._account.host)
        if failed is None:
            return None
        at = "token" if isinstance(error, CredentialUnavailable) and self._account.auth != "password" else self._at
        return wrong(at, str(failed), who=self._who_else(error), code=failed.code)

    def _who_else(self, error: Exception) -> str:
        match error:
            case AttemptInProgress():
                return "nobody: it passes"
            case CredentialRefused():
                return f"the owner of the account's password, or {YOU}, if another policy applies"
            case LastAttempt():
                return self._help.local_administrator
            case CredentialUnavailable() if "authorise" in str(error):
                return "the person who signs the worker in"
            case CredentialUnavailable() | JournalUnavailable():
                return "the people who run this machine"
            case MailboxError():
                return _PASSES
            case _:
                return self._help.local_administrator


_DO: Final = {
    Cause.AUDIENCE: "Take `scopes` out of `[account.oauth]`, or name Exchange Online's there.",
    Cause.OUT_OF_DATE: "Correct this machine's clock.",
    Cause.USER_PERMISSION: "Ask for the permission and the consent, then sign in again.",
    Cause.APPLICATION_PERMISSION: "Ask for the permission, with the administrator's consent.",
}


def _allowed(standing: Standing | None, attempt: Attempt) -> str:
    if standing is None:  # the last attempt, which is refused elsewhere
        return "An attempt is allowed."
    if attempt.kind == "token":
        tokens = counted(standing.remaining_for_credential, "token")
        return f"An attempt is allowed. No password is sent. {tokens} may be refused before the worker halts."
    return f"An attempt is allowed: the worker has {counted(standing.remaining, 'attempt')} left."


def _what(auth: str) -> str:
    return "password" if auth == "password" else "token (XOAUTH2)"


def _had(token: Token) -> str:
    return "The worker has a token from before." if token.kept else "The sign-in service gives a token."


def _listed(claims: Claims, mailbox: str, now: float) -> str:
    """What the claims say, in words of ours. None of them is quoted."""
    said = []
    if claims.audience:
        said.append(f"is for {'Exchange Online' if claims.is_for_exchange else 'another service than Exchange Online'}")
    if claims.tells_permissions:
        which = AS_APPLICATION if claims.is_applications else AS_USER
        said.append(f"{'carries' if claims.has_permission else 'lacks'} the permission {which}")
    if claims.is_applications:
        said.append("is an application's")
    elif claims.user is not None:
        own = claims.user == mailbox.lower()
        said.append(
            "belongs to the mailbox's own user"
            if own
            else ("belongs to another user, who needs FullAccess to the mailbox")
        )
    if not claims.is_valid_at(now):
        said.append("isn't valid now by this machine's clock")
    elif claims.expires_at is not None:
        said.append(f"lasts for {span(claims.expires_at - now)}")
    if not said:
        return "doesn't say what it is for"
    return " and ".join([", ".join(said[:-1]), said[-1]]) if said[1:] else said[0]


def _taken_anyway(step: Step) -> Step:
    """The server took the token, so what looked wrong in it isn't."""
    if step.name != "claims" or not step.is_wrong:
        return step
    return note(step.name, f"{step.found} The server accepts it anyway.")
