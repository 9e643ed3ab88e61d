"""Warns before something expires: each warning once, over restarts and replicas."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

import orjson

from worker.login import advice
from worker.login.expiry import TABLE, Expiry, Found, Plan, expiries
from worker.login.expiry_told import Told
from worker.login.login_status import LoginStatus
from worker.login.telling import Notify


class Login(Protocol):
    """Says how old the password is."""

    def status(self) -> LoginStatus:
        """From the journal alone. May raise `JournalUnavailable`."""


class Files(Protocol):
    """Says what the files say about their own end."""

    def found(self, before: Found) -> Found:
        """What they say now. before: what they said last."""


class Memory(Protocol):
    """Remembers short texts over restarts. Both methods may raise `JournalUnavailable`."""

    def recall(self, name: str) -> str | None:
        """The text that was last stored under this name."""

    def remember(self, name: str, text: str) -> None:
        """Store it, replacing what was there."""


class ExpiryWatch:
    """Looks at everything that the plan says can expire. installation: whose files these are."""

    def __init__(
        self,
        plan: Plan,
        *,
        installation: str,
        login: Login,
        files: Files,
        memory: Memory,
        notify: Notify,
        clock: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._installation = installation
        self._login = login
        self._files = files
        self._memory = memory
        self._notify = notify
        self._clock = clock

    def look(self) -> None:
        """Note what the files say, for `status`, and give the warnings that are due and weren't given.

        A warning is given first and noted afterwards: if the process dies in between, it is given twice.

        Raises:
            JournalUnavailable
        """
        before = noted(self._memory, self._installation)
        found = self._files.found(before)
        if found != before:
            self._memory.remember(_noted_as(self._installation), orjson.dumps(asdict(found)).decode())
        now = self._clock()
        for one in expiries(self._plan, self._login.status().age, found, now):
            self._warn(one, now)

    def _warn(self, one: Expiry, now: float) -> None:
        if one.due is None or one.expires_at is None or one.days_left is None:
            return
        name = f"expiry.told.{one.thing}"
        told = Told(self._memory.recall(name))
        if not told.is_news(one.expires_at, one.due, now):
            return
        fields = {
            "what": one.thing.value,
            "days_left": one.days_left,
            "expires_at": advice.moment(one.expires_at),
            "advice": TABLE[one.thing].do,
        }
        self._notify("password.expiring" if one.thing.is_password else "credential.expiring", fields)
        self._memory.remember(name, told.add(one.expires_at, one.due, now))


class Recalls(Protocol):
    """The part of `Memory` that reads."""

    def recall(self, name: str) -> str | None:
        """The text that was last stored under this name."""


def noted(memory: Recalls, installation: str) -> Found:
    """What this installation's files said when the worker last looked.

    Raises:
        JournalUnavailable
    """
    try:
        return Found(**orjson.loads(memory.recall(_noted_as(installation)) or "{}"))
    except (TypeError, ValueError):  # written by a program that knows other files
        return Found()


def _noted_as(installation: str) -> str:
    return f"expiry.found.{installation}"
