"""Single facts that outlive the process: whose journal this is, whether work is paused, how the last poll went."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, and_, bindparam, delete, select

from worker.journal.database import Database
from worker.journal.schema import fact

_PAUSE = ("paused", "paused.reason", "paused.arrived")
"""The facts about a pause. The first alone says that work is paused; the others go with it."""


REBUILD = "journal rebuild"
"""Who paused the work while a new journal is being filled."""
BACKUP = "journal backup"
"""Who paused the work in a copy of the journal: a worker that started on it would hand over later mail again."""
ENDED_BY_REBUILD = (REBUILD, BACKUP)
"""Pauses that `journal rebuild` ends, and no person should."""

_CONTENT_KEY = "content.key"


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


@dataclass(frozen=True, slots=True)
class PauseNote:
    """What is known of a pause. since: when it began (epoch s); None if that can't be read.

    actor: who paused the work. reason: why, in that person's words; empty if no reason was given. arrived: how many
    messages have come since the last poll, as counted at `counted_at` (epoch s); None before the first count.
    """

    since: float | None
    actor: str
    reason: str = ""
    arrived: int | None = None
    counted_at: float | None = None


@dataclass(frozen=True, slots=True)
class NotedHandler:
    """A handler that isn't called, so that its mail waits. since: epoch s.

    error: it can't be built, and this is the class of the exception; None: it keeps failing.
    """

    name: str
    since: float
    error: str | None = None


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

    def content_key(self) -> bytes:
        """The key of the marks of contents; made once, so that all replicas that share the journal agree."""
        with self._database.write(durable=True) as connection:
            statement = self._insert(fact).values(name=_CONTENT_KEY, value=secrets.token_hex(32))
            connection.execute(statement.on_conflict_do_nothing())
        return self.known_content_key()

    def known_content_key(self) -> bytes:
        """The key, for those who only read. Empty if there is none yet, and so no mark either."""
        return bytes.fromhex(self._get(_CONTENT_KEY) or "")

    def polled(self, poll: LastPoll) -> None:
        """Remember how the last poll went."""
        self._set("last_poll", orjson.dumps(asdict(poll)).decode())

    def last_poll(self) -> LastPoll | None:
        """How the last poll went; None if there hasn't been one."""
        stored = self._get("last_poll")
        return None if stored is None else LastPoll(**orjson.loads(stored))

    def pause(self, actor: str, now: float, reason: str = "") -> None:
        """Pause work: no message is handled or settled until `resume`.

        If work is paused already, the pause keeps its beginning; who and why become these. reason: one line, in the
        person's words.
        """
        with self._database.write() as connection:
            note = _note_of(_values(connection, _PAUSE))
            since = now if note is None or note.since is None else note.since
            at = datetime.fromtimestamp(since, UTC).isoformat()
            self._put(connection, "paused", f"{at} by {actor}")
            self._put(connection, "paused.reason", _one_line(reason))

    def resume(self, paused_by: str | None = None) -> None:
        """Resume work. With `paused_by`, only if that actor paused it."""
        mine = fact.c.name == "paused"
        if paused_by is not None:
            mine = and_(mine, fact.c.value.endswith(f" by {paused_by}", autoescape=True))
        with self._database.write(durable=True) as connection:
            if connection.execute(delete(fact).where(mine)).rowcount:
                connection.execute(delete(fact).where(fact.c.name.in_(_PAUSE)))

    def paused(self) -> str | None:
        """Since when and by whom work is paused; None if it isn't."""
        return self._get("paused")

    def pause_note(self) -> PauseNote | None:
        """What is known of the pause; None if work isn't paused."""
        with self._database.read() as connection:
            return _note_of(_values(connection, _PAUSE))

    def arrived(self, count: int, now: float) -> None:
        """Note how many messages have come since the last poll. Does nothing if work isn't paused any more."""
        with self._database.write() as connection:
            if "paused" in _values(connection, _PAUSE):
                counted = {"count": count, "at": now}
                self._put(connection, "paused.arrived", orjson.dumps(counted).decode())

    def note_handlers(self, holder: str, handlers: Sequence[NotedHandler]) -> None:
        """Note the handlers that aren't called. holder: who holds the lease; nobody else's note counts."""
        noted = {"holder": holder, "handlers": [asdict(one) for one in handlers]}
        self.remember("handlers", orjson.dumps(noted).decode())

    def noted_handlers(self, holder: str | None) -> list[NotedHandler]:
        """The handlers that aren't called, as this holder of the lease has noted them."""
        noted = orjson.loads(self.recall("handlers") or "{}")
        if holder is None or noted.get("holder") != holder:
            return []
        return [NotedHandler(**one) for one in noted["handlers"]]

    def remember(self, name: str, text: str, *, durable: bool = False) -> None:
        """Store a short text for another part of the worker under this name, replacing what was there.

        durable: it is on the disk when this returns.
        """
        self._set(f"kept.{name}", text, durable=durable)

    def recall(self, name: str) -> str | None:
        """The text that was last stored under this name."""
        return self._get(f"kept.{name}")

    def _get(self, name: str) -> str | None:
        with self._database.read() as connection:
            return stored_fact(connection, name)

    def _set(self, name: str, value: str, *, durable: bool = False) -> None:
        with self._database.write(durable=durable) as connection:
            self._put(connection, name, value)

    def _put(self, connection: Connection, name: str, value: str) -> None:
        set_fact(connection, self._insert, name, value)


def stored_fact(connection: Connection, name: str) -> str | None:
    """The value of a fact; None: it was never stored."""
    value: str | None = connection.execute(select(fact.c.value).where(fact.c.name == name)).scalar()
    return value


def set_fact(connection: Connection, insert: Any, name: str, value: str) -> None:
    """Store a fact, replacing what was there. insert: the database's own."""
    connection.execute(_setting(insert), {"name": name, "value": value})


@lru_cache(maxsize=2)
def _setting(insert: Any) -> Any:
    statement = insert(fact).values(name=bindparam("name"), value=bindparam("value"))
    return statement.on_conflict_do_update(index_elements=["name"], set_={"value": statement.excluded.value})


def _values(connection: Connection, names: tuple[str, ...]) -> dict[str, str]:
    rows = connection.execute(select(fact.c.name, fact.c.value).where(fact.c.name.in_(names)))
    return {row.name: row.value for row in rows}


def _note_of(values: dict[str, str]) -> PauseNote | None:
    if "paused" not in values:
        return None
    at, _, actor = values["paused"].partition(" by ")
    counted = orjson.loads(values.get("paused.arrived", "{}"))
    try:
        since = datetime.fromisoformat(at).timestamp()
    except ValueError:
        since = None
    return PauseNote(since, actor, values.get("paused.reason", ""), counted.get("count"), counted.get("at"))


def _one_line(text: str) -> str:
    """A person's words on one line, without what a terminal may have added to them."""
    readable = " ".join(text.encode("utf-8", "replace").decode().split())
    return "".join(letter for letter in readable if letter.isprintable())[:500]
