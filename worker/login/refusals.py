"""The guard's ways of saying no. Nothing was sent, nothing is spent; each says why, and what to do."""

from worker.login.standing import Standing


class NoAttempt(Exception):
    """No login attempt may be made now. `advice`: what happened, what it means and what to do, for a person."""

    def __init__(self, advice: str) -> None:
        super().__init__(advice)
        self.advice = advice


class Cooling(NoAttempt):
    """Not before `until` (epoch s)."""

    def __init__(self, advice: str, standing: Standing) -> None:
        super().__init__(advice)
        self.standing = standing
        self.until = standing.next_at or 0.0


class Halted(NoAttempt):
    """Not until a person, or another credential, changes things. `reason`: as in `Standing`."""

    def __init__(self, advice: str, standing: Standing) -> None:
        super().__init__(advice)
        self.reason = standing.reason or ""


class CredentialRefused(NoAttempt):
    """The password breaks the policy, so it can't be right. `faults`: which rules."""

    def __init__(self, advice: str, faults: list[str]) -> None:
        super().__init__(advice)
        self.faults = faults


class LastAttempt(NoAttempt):
    """A command that asked for it isn't given the last attempt of the budget: that one is the worker's."""


class ReasonMissing(Exception):
    """A reset without a reason that says anything: the audit trail asks why."""

    def __init__(self) -> None:
        super().__init__(
            "A reset needs a reason: who unlocked the account, and when. It is kept in the audit trail. Nothing was "
            'done; repeat the command with --reason "unlocked by …".',
        )


class ResetNeedsAgain(NoAttempt):
    """The last reset has had no success since: another one must be meant."""
