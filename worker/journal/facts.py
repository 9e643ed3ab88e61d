"""Single facts that outlive the process: whose journal this is, whether work is paused, how the last poll went."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import and_, delete, select

from worker.journal.database import Database
from worker.journal.schema import fact


class OtherAccount(Exception):
    """The journal belongs to another account. One worker, one account (policy text, 'Password policy')."""


@dataclass(frozen=True, slots=True)
class LastPoll:
    """How the last poll went. at: when it was. good_at: when the last successful one was (both epoch s).

    new: how many messages were new. trouble: our word for what went wrong; None if nothing did, or it isn't known.
    """

    at: float
    ok: bool
    new: int
    good_at: float | None = None
    trouble: str | None = None


class Facts:
    """Reads and writes single facts. Every method may raise `JournalUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert: Any = database.insert

    def belongs_to(self, address: str) -> None:
        """Make this the journal of this account, unless it is already.

        Raises:
            OtherAccount: it belongs to another account.
        """
        if self.refuse_others(address) is None:
            self._set("account", address.lower())

    def refuse_others(self, address: str) -> str | None:
        """The account that this journal belongs to; None if it belongs to none yet.

        Raises:
            OtherAccount: it belongs to another account.
        """
        owner, address = self._get("account"), address.lower()
        if owner not in (None, address):
            raise OtherAccount(
                f"The state belongs to {owner}, not to {address}. One worker serves one account: give this account a "
                "state folder (or journal) of its own."
            )
        return owner

    def polled(self, poll: LastPoll) -> None:
        """Remember how the last poll went."""
        self._set("last_poll", orjson.dumps(asdict(poll)).decode())

    def last_poll(self) -> LastPoll | None:
        """How the last poll went; None if there hasn't been one."""
        stored = self._get("last_poll")
        return None if stored is None else LastPoll(**orjson.loads(stored))

    def pause(self, actor: str, now: float) -> None:
        """Pause work: no message is handled or settled until `resume`."""
        self._set("paused", f"{datetime.fromtimestamp(now, UTC).isoformat()} by {actor}")

    def resume(self, paused_by: str | None = None) -> None:
        """Resume work. With `paused_by`, only if that actor paused it."""
        mine = fact.c.name == "paused"
        if paused_by is not None:
            mine = and_(mine, fact.c.value.endswith(f" by {paused_by}", autoescape=True))
        with self._database.write(durable=True) as connection:
            connection.execute(delete(fact).where(mine))

    def paused(self) -> str | None:
        """Since when and by whom work is paused; None if it isn't."""
        return self._get("paused")

    def remember(self, name: str, text: str) -> None:
        """Store a short text for another part of the worker under this name, replacing what was there."""
        self._set(f"kept.{name}", text)

    def recall(self, name: str) -> str | None:
        """The text that was last stored under this name."""
        return self._get(f"kept.{name}")

    def _get(self, name: str) -> str | None:
        with self._database.read() as connection:
            value: str | None = connection.execute(select(fact.c.value).where(fact.c.name == name)).scalar()
            return value

    def _set(self, name: str, value: str) -> None:
        with self._database.write() as connection:
            statement = self._insert(fact).values(name=name, value=value)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
