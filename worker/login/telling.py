"""What the guard tells others: events for an observer, and advice for a person.

A state that lasts is announced once. It is announced again after an attempt or a reset, and by a new process.
"""

from collections.abc import Mapping
from typing import Protocol

from worker.login import advice
from worker.login.credential import CredentialSource
from worker.login.exchange_advice import not_sent
from worker.login.history import Rules
from worker.login.password_policy import Refusal
from worker.login.standing import Reason, Standing, State
from worker.login.token_claims import cause_in
from worker.logs.typed import as_typed
from worker.mailbox.login_failures import Kind


class Notify(Protocol):
    """An observer of the guard's events."""

    def __call__(self, event: str, fields: Mapping[str, object], /) -> None:
        """Receive an event (`login.attempt`, …) and its fields, none of them secret. Must not raise."""


class Telling:
    """Announces one guard's attempts, and words its advice.

    source: gives the way to log in, on which the advice to a person depends. actor: whom the events name as acting.
    """

    def __init__(self, notify: Notify, rules: Rules, source: CredentialSource, *, actor: str) -> None:
        self._notify = notify
        self._rules = rules
        self._source = source
        self._actor = actor
        self._announced: tuple[object, ...] | None = None

    # -- events --------------------------------------------------------------------------------------------------------

    def attempt(self, kind: Kind, remaining: int) -> None:
        """Announce that an attempt begins. The state after it is announced again, even if it is the same as before."""
        self._announced = None
        self._notify("login.attempt", {"kind": kind, "actor": self._actor, "remaining": remaining})

    def succeeded(self, kind: Kind, outcome: str, *, before: int) -> None:
        """Announce a success. before: how many failures counted until then."""
        self._announced = None
        failures = 0 if kind == "password" else before
        self._notify(
            "login.succeeded",
            {
                "kind": kind,
                "actor": self._actor,
                "outcome": outcome,
                "failures_before": before,
                "failures": failures,
                "remaining": self._remaining(failures),
            },
        )

    def rejected(self, kind: Kind, outcome: str, *, counts: bool, said: str, standing: Standing | None) -> None:
        """Announce an attempt that wasn't a success. standing: after it; None if the journal can't be read."""
        fields: dict[str, object] = {
            "kind": kind,
            "actor": self._actor,
            "outcome": outcome,
            "counts": counts,
            "said": said,
        }
        if (cause := cause_in(said)) is not None:
            fields["cause"] = str(cause)
        if standing is None:
            self._notify("login.rejected", fields)
            return
        self._notify("login.rejected", fields | {"remaining": standing.remaining, "failures": standing.failures})
        self.stands(standing)

    def stands(self, standing: Standing) -> None:
        """Announce that the login is cooling or halted. Does nothing if it is ready."""
        if standing.state is State.READY:
            return
        fields = {
            "reason": str(standing.reason),
            "failures": standing.failures,
            "remaining": standing.remaining,
            "remaining_for_credential": standing.remaining_for_credential,
            "next_attempt_at": None if standing.next_at is None else advice.moment(standing.next_at),
            "advice": self.advice(standing),
        }
        what = (standing.state, standing.reason, standing.failures, standing.remaining_for_credential, standing.next_at)
        self._announce_once(what, f"login.{standing.state}", fields)

    def refused(self, fingerprint: str, refusal: Refusal, *, failures: int) -> None:
        """Announce that a password wasn't sent because it breaks the policy."""
        fields = {
            "faults": len(refusal.faults),
            "advice": self.refusal(str(refusal)),
            "failures": failures,
            "remaining": self._remaining(failures),
        }
        self._announce_once(("refused", fingerprint, refusal), "login.refused", fields)

    def reset(self, *, actor: str, reason: str, again: bool, failures: int) -> None:
        """Announce that a person has reset the count. failures: how many counted before."""
        self._announced = None
        counts = {"failures": failures, "remaining": self._rules.lockout.budget}
        self._notify("login.reset", {"actor": actor, "reason": reason, "again": again} | counts)

    def _announce_once(self, what: tuple[object, ...], event: str, fields: Mapping[str, object]) -> None:
        if self._announced != what:
            self._announced = what
            self._notify(event, {**fields, "actor": self._actor})

    def _remaining(self, failures: int) -> int:
        return max(0, self._rules.lockout.budget - failures)

    # -- for a person --------------------------------------------------------------------------------------------------

    def advice(self, standing: Standing) -> str:
        """Return what happened, and what to do about it."""
        rules, source = self._rules, self._source
        if standing.reason == Reason.OAUTH_ONLY:
            return as_typed(not_sent(rules.host, rules.account, rules.help.local_administrator))
        text = advice.advise(
            standing,
            rules.lockout,
            rules.help,
            account=rules.account,
            needs_restart=source.needs_restart,
            auth=source.auth,
            exchange_online=rules.exchange_online,
        )
        return as_typed(text)

    def refusal(self, broken: str) -> str:
        """Return what is wrong with a password that breaks the policy, and what to do about it. broken: which rules."""
        return advice.refusal(broken, self._rules.account, needs_restart=self._source.needs_restart)
