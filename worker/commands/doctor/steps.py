"""What the doctor says of each step of the sign-in, and of all of them together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from worker.commands.exits import ExitCode

MAIL: Final = ("proxy", "mail-dns", "mail-port", "mail-tls", "capabilities")
"""The steps to the mail server. The last one is still before any login."""
SIGN_IN: Final = ("sign-in-proxy", "sign-in-dns", "sign-in-port", "sign-in-tls", "discovery", "clock")
"""The steps to the sign-in service, where there is one. None of them sends a secret."""
LOGIN: Final = ("guard", "token", "claims", "login")
"""The steps of the one attempt."""
MAILBOX: Final = ("folders", "junk", "move", "uidplus", "idle")
"""The steps after the login."""
ORDER: Final = (*MAIL, *SIGN_IN, *LOGIN, *MAILBOX)
PASSED_BY: Final = {
    **dict.fromkeys(("proxy", "mail-dns", "mail-port"), "proxy"),
    **dict.fromkeys(("sign-in-proxy", "sign-in-dns", "sign-in-port"), "sign-in-proxy"),
}
"""Of these, only those that are on the way are looked at: with a proxy, that step; without one, the others."""
OF_TOKENS: Final = frozenset({*SIGN_IN, "token", "claims"})
"""The steps that a login with a password doesn't have."""


class Mark(StrEnum):
    """What a step came to."""

    OK = "ok"
    NOTE = "note"
    """It holds, and there is something to know about it."""
    WRONG = "wrong"
    SKIPPED = "skipped"
    """It wasn't looked at, because a step before it is wrong."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. found: what holds, or what doesn't and what that means.

    who: who mends it. do: what they do. exactly: what they type or click, a line each. code: the exit code of a command
    that meets this; `FINDING` where the sign-in works all the same. What is printed holds no claim of a token, and of a
    server's words what is safe to print.
    """

    name: str
    mark: Mark
    found: str
    who: str = ""
    do: str = ""
    exactly: tuple[str, ...] = ()
    code: ExitCode = ExitCode.DONE

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to mend it."""
        return self.mark is Mark.WRONG

    @property
    def stops(self) -> bool:
        """Whether the worker can't get at its mail because of it."""
        return self.is_wrong and self.code is not ExitCode.FINDING


def ok(name: str, found: str) -> Step:
    """A step that holds."""
    return Step(name, Mark.OK, found)


def note(name: str, found: str) -> Step:
    """A step that holds, with something to know about it."""
    return Step(name, Mark.NOTE, found)


def wrong(
    name: str, found: str, *, who: str, do: str = "", exactly: Sequence[str] = (), code: ExitCode = ExitCode.FINDING
) -> Step:
    """A step that somebody has to mend."""
    return Step(name, Mark.WRONG, found, who, do, tuple(exactly), code)


@dataclass(frozen=True, slots=True)
class Report:
    """All steps of one examination, in order."""

    account: str
    auth: str
    host: str
    port: int
    steps: tuple[Step, ...] = field(default=())

    @property
    def wrong(self) -> list[Step]:
        """The steps that somebody has to mend."""
        return [step for step in self.steps if step.is_wrong]

    @property
    def stopped_by(self) -> Step | None:
        """The first step that keeps the worker from its mail."""
        return next((step for step in self.wrong if step.stops), None)

    @property
    def code(self) -> ExitCode:
        """The exit code: of the first step that keeps the worker from its mail, else of any finding, else 0."""
        if self.stopped_by is not None:
            return self.stopped_by.code
        return ExitCode.FINDING if self.wrong else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "account": self.account,
            "auth": self.auth,
            "host": self.host,
            "port": self.port,
            "ok": not self.wrong,
            "exit_code": int(self.code),
            "steps": [
                {
                    "step": step.name,
                    "state": str(step.mark),
                    "found": step.found,
                    "who": step.who or None,
                    "do": step.do or None,
                    "exactly": list(step.exactly),
                }
                for step in self.steps
            ],
        }


def in_order(found: Iterable[Step], *, has_tokens: bool) -> tuple[Step, ...]:
    """All steps in their order: those that were looked at, and the others as skipped."""
    looked_at = {step.name: step for step in found}
    first = next((name for name in ORDER if name in looked_at and looked_at[name].stops), None)
    because = f"Not checked, because of {first}." if first else "Not looked at."
    steps = []
    for name in ORDER:
        if name in looked_at:
            steps.append(looked_at[name])
        elif (has_tokens or name not in OF_TOKENS) and not _is_passed_by(name, looked_at):
            steps.append(Step(name, Mark.SKIPPED, because))
    return tuple(steps)


def _is_passed_by(name: str, looked_at: dict[str, Step]) -> bool:
    proxy = PASSED_BY.get(name)
    return proxy is not None and (name == proxy or proxy in looked_at)
