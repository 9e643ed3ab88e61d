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
    """How the last poll went. at, good_at: epoch s, of it and of the last good one; new: messages not seen before.

    trouble: a word of ours for what was in its way; None: nothing, or it isn't known.
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
        """Make this the journal of this account, or find that it already is.

        Raises:
            OtherAccount: it is another's.
        """
        if self.refuse_others(address) is None:
            self._set("account", address.lower())

    def refuse_others(self, address: str) -> str | None:
        """Whose journal this is; None: nobody's yet.

        Raises:
            OtherAccount: it is another's.
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
        """How the last poll went; None before any."""
        stored = self._get("last_poll")
        return None if stored is None else LastPoll(**orjson.loads(stored))

    def pause(self, actor: str, now: float) -> None:
        """No hand-over and no settling until resumed."""
        self._set("paused", f"{datetime.fromtimestamp(now, UTC).isoformat()} by {actor}")

    def resume(self, paused_by: str | None = None) -> None:
        """Work goes on; with `paused_by` only where it was paused by that actor."""
        mine = fact.c.name == "paused"
        if paused_by is not None:
            mine = and_(mine, fact.c.value.endswith(f" by {paused_by}", autoescape=True))
        with self._database.write(durable=True) as connection:
            connection.execute(delete(fact).where(mine))

    def paused(self) -> str | None:
        """Since when and by whom work is paused; None: it isn't."""
        return self._get("paused")

    def remember(self, name: str, text: str) -> None:
        """Keep a short text of another room's under this name, instead of what was kept before."""
        self._set(f"kept.{name}", text)

    def recall(self, name: str) -> str | None:
        """What was kept last under this name."""
        return self._get(f"kept.{name}")

    def _get(self, name: str) -> str | None:
        with self._database.read() as connection:
            value: str | None = connection.execute(select(fact.c.value).where(fact.c.name == name)).scalar()
            return value

    def _set(self, name: str, value: str) -> None:
        with self._database.write() as connection:
            statement = self._insert(fact).values(name=name, value=value)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
