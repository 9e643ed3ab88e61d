"""The guard's refusals. Nothing was sent and nothing spent; each says why, and what to do."""

from worker.login.standing import Standing


class NoAttempt(Exception):
    """No login attempt may be made now. `advice` tells a person what happened, what it means and what to do."""

    def __init__(self, advice: str) -> None:
        super().__init__(advice)
        self.advice = advice


class Cooling(NoAttempt):
    """No attempt before `until` (epoch seconds)."""

    def __init__(self, advice: str, standing: Standing) -> None:
        super().__init__(advice)
        self.standing = standing
        self.until = standing.next_at or 0.0


class Halted(NoAttempt):
    """No attempt until a person or a new credential changes things. `reason` is as in `Standing`."""

    def __init__(self, advice: str, standing: Standing) -> None:
        super().__init__(advice)
        self.reason = standing.reason or ""


class CredentialRefused(NoAttempt):
    """The password breaks the policy, so it can't be right. `faults`: the rules that it breaks."""

    def __init__(self, advice: str, faults: list[str]) -> None:
        super().__init__(advice)
        self.faults = faults


class NoWayIn(NoAttempt):
    """The server offers no way to log in with what we have. It is asked again at each connection."""


class LastAttempt(NoAttempt):
    """A command isn't given the last attempt of the budget, which is kept for the worker."""


class ReasonMissing(Exception):
    """A reset was asked for without a reason, which the audit trail must have."""

    def __init__(self) -> None:
        super().__init__(
            "A reset needs a reason: who unlocked the account, and when. The audit trail records it. Nothing was "
            'done. Repeat the command with --reason "unlocked by …".',
        )


class ResetNeedsAgain(NoAttempt):
    """The last reset has had no success since, so a second one must be asked for explicitly."""
