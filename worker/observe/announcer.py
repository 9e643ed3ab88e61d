"""The login guard's events, and what people ask for, in the log and in the audit trail."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from worker.journal.intents import Kind
from worker.logs.log import get_logger
from worker.observe.audit.trail import AuditTrail, AuditUnavailable
from worker.observe.counts import Counts

log = get_logger()


_ASKED = {
    Kind.RELEASE: "message.released",
    Kind.RETRY: "message.retried",
    Kind.HANDLE: "message.handled_again",
}


class Announcer:
    """The guard calls it for each event. The event's fields hold no secret. metrics: counts the results of attempts.

    A command that ends for want of a login prints the advice itself, so its log doesn't repeat it.

    If the audit trail can't be written, the worker goes on, and the log says so. What a person asks to see or to have
    done is refused instead: only `shown`, `searched`, `asked` and `copied` raise.
    """

    def __init__(self, audit: AuditTrail, metrics: Counts, *, advises: bool = True) -> None:
        """advises: whether the log says what a person does about the login, because nobody else does."""
        self._advises = advises
        self._audit = audit
        self._metrics = metrics
        self._halted: str | None = None

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        """Log the event, and record it in the audit trail if it belongs there."""
        actor = str(fields.get("actor", "")) or None
        match event:
            case "login.attempt":
                log.info(event, kind=fields["kind"], remaining=fields["remaining"])
                self._resumed(actor)
                self._record("login.attempted", actor, credential=fields["kind"], remaining=fields["remaining"])
            case "login.succeeded":
                log.info(event, kind=fields["kind"], outcome=fields["outcome"], failures=fields["failures_before"])
                self._metrics.attempted("accepted")
                left = {name: fields[name] for name in ("failures", "remaining")}
                self._record("login.answered", actor, credential=fields["kind"], outcome=fields["outcome"], **left)
            case "login.rejected":
                answer = {name: fields[name] for name in ("outcome", "failures", "remaining") if name in fields}
                cause = {name: fields[name] for name in ("cause",) if name in fields}
                log.warning(event, kind=fields["kind"], counts=fields["counts"], **answer, **cause)
                self._metrics.attempted(str(fields.get("outcome", "unknown")))
                self._record("login.answered", actor, credential=fields["kind"], **answer)
            case "login.cooling":
                next_at = _time(fields["next_attempt_at"])
                standing = {name: fields[name] for name in ("reason", "failures", "remaining")}
                log.error(event, next_at=next_at, **self._advice(fields), **standing)
                self._record("login.cooling", actor, next_at=next_at, **standing)
            case "login.halted":
                standing = {name: fields[name] for name in ("reason", "failures", "remaining")}
                log.error(event, **self._advice(fields), **standing)
                self._halted = str(standing["reason"])
                self._record("login.halted", actor, **standing)
            case "login.refused":
                log.error(event, count=fields["faults"], **self._advice(fields))
                left = {name: fields[name] for name in ("failures", "remaining")}
                self._record("login.halted", actor, reason="policy", **left)
            case "login.reset":
                log.warning(event)
                left = {name: fields[name] for name in ("failures", "remaining")}
                self._record("login.reset", actor, words=str(fields["reason"]), **left)
            case "password.expiring":
                log.warning(event, **_expiry(fields))
            case "credential.expiring":
                log.warning(event, **_expiry(fields))
            case _:
                raise ValueError(f"no such event of the guard: {event}")

    def paused(self, actor: str, reason: str = "") -> None:
        """A person paused the worker. reason: in their words."""
        self._record("worker.paused", actor, words=reason)

    def resumed(self, actor: str) -> None:
        """A person resumed the worker."""
        self._record("worker.resumed", actor)

    def authorised(self, actor: str, method: str, warning: str = "") -> None:
        """A person signed the worker in with a browser.

        method: `device`, `browser` or `pasted`. warning: what they should know of the end of this sign-in.
        """
        self._record("login.authorised", actor, method=method)
        if warning:
            log.warning("login.public_client", advice=warning)

    def shown(self, actor: str, command: str, key: str | None = None) -> None:
        """A person is about to see mail: access to patients' data.

        Raises:
            AuditUnavailable: the mail must not be shown.
        """
        about: dict[str, Any] = {"command": command.replace(" ", ".")} | ({} if key is None else {"key": key})
        self._audit.record("content.shown", who=actor, **about)

    def searched(self, actor: str, command: str, criteria: str) -> None:
        """A person is about to look for mail. criteria: the names of what they look for, without its content.

        Raises:
            AuditUnavailable: nothing must be shown.
        """
        self._audit.record("content.searched", who=actor, command=command, criteria=criteria)

    def rebuilt(self, actor: str, count: int) -> None:
        """A person rebuilt the journal from the mailbox."""
        self._record("journal.rebuilt", actor, count=count)

    def acknowledged(self, actor: str, count: int, reason: str) -> None:
        """A person took mail that we didn't move as known. reason: in their words."""
        self._record("mail.acknowledged", actor, words=reason, count=count)

    def copied(self, actor: str) -> None:
        """A person is about to copy the journal, the trail and their keys.

        Raises:
            AuditUnavailable: the copy won't be in the trail.
        """
        self._audit.record("journal.copied", who=actor)

    def asked(self, actor: str, kind: Kind, keys: Sequence[str], reason: str, *, handler: str | None = None) -> None:
        """A person asks for messages to be released, tried again, or handled again. handler: at this handler alone.

        Raises:
            AuditUnavailable: the request must not be carried out.
        """
        about = {} if handler is None else {"handler": handler}
        for key in keys:
            self._audit.record(_ASKED[kind], who=actor, words=reason, key=key, **about)

    def _advice(self, fields: Mapping[str, Any]) -> dict[str, str]:
        return {"advice": fields["advice"]} if self._advises else {}

    def _resumed(self, actor: str | None) -> None:
        """If this attempt follows a halt, record that a reset or another credential has ended the halt."""
        if self._halted is not None:
            self._record("login.resumed", actor, reason=self._halted)
            self._halted = None

    def _record(self, kind: str, who: str | None, /, *, words: str = "", **fields: Any) -> None:
        try:
            self._audit.record(kind, who=who, words=words, **fields)
        except AuditUnavailable as problem:
            log.error("audit.unavailable", advice=str(problem))


def _expiry(fields: Mapping[str, Any]) -> dict[str, Any]:
    ends = _time(fields["expires_at"])
    return {"what": fields["what"], "days": fields["days_left"], "expires_at": ends, "advice": fields["advice"]}


def _time(rfc3339: object) -> datetime | None:
    return None if rfc3339 is None else datetime.fromisoformat(str(rfc3339))
