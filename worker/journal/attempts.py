"""The durable ledger of login attempts: each attempt is on the disk before its credential leaves the process.

The ledger only stores; `worker.login` decides what follows from it. Rows are ordered by `number`, never by time: the
clock can jump, but the number only increases, across restarts, resets and restored journals.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, text, update

from worker.journal.database import Database, JournalUnavailable
from worker.journal.facts import stored_fact
from worker.journal.schema import attempt, credential, fact

SUCCEEDED: Final = "succeeded"
RESET: Final = "reset"
DOUBT: Final = "doubt"
CONNECTION: Final = "connection"

_EPOCH: Final = "login.epoch"
_DATABASE: Final = "login.database"
_SALT: Final = "login.salt"
_CURRENT: Final = "login.credential"
_PASSWORD: Final = "login.password"  # noqa: S105 -- a fact's name
_WAY: Final = "login.way"
_REFUSED: Final = "login.refused"
_OFFERED: Final = "login.offered"


class Overtaken(JournalUnavailable):
    """Another process has written an attempt since the ledger was read, so decisions made from it no longer hold."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the table `attempt`. Times are epoch seconds. outcome: None if no answer was recorded."""

    number: int
    at: float
    cools_from: float
    kind: str
    credential: str | None
    actor: str
    outcome: str | None
    counts: bool
    jitter: float
    retry_after: float | None = None
    said: str | None = None
    note: str | None = None
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class KnownCredential:
    """A password's fingerprint. accepted: the number of the last attempt that succeeded with it; None if none did."""

    fingerprint: str
    first_seen_at: float
    accepted: int | None


@dataclass(frozen=True, slots=True)
class History:
    """What the journal knows of the login, read in one transaction.

    epoch: identifies this journal; None if it has no attempts yet. head: the highest number, or 0.
    records: in order. Password rows since the last reset or success with a password; token rows, and waits without a
    credential, since the last reset or success of either kind, because a login with a password leads to a new token.
    reset_unproven: no login has succeeded since the last reset; after a reset about a password, only a login with a
    password counts.
    current: the fingerprint of the credential that was to be sent last. password: the fingerprint of the account's
    password; None if none was read. refused: why the credential wasn't sent, if it wasn't fit.
    way: how the settings said to log in. settled: the number of the last reset or success of either kind.
    offered: what the server offers instead of that way, if it didn't offer it when it was last asked; None otherwise.
    moved: the rows were written in a database other than this one, so the journal was restored or moved.
    """

    epoch: str | None = None
    head: int = 0
    records: tuple[Record, ...] = ()
    reset_unproven: bool = False
    current: str | None = None
    refused: str | None = None
    password: str | None = None
    way: str | None = None
    settled: int = 0
    moved: bool = False
    offered: str | None = None


class AttemptLedger:
    """Reads and writes the ledger. Every method may raise `JournalUnavailable`, and has then recorded nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def shared(self) -> bool:
        """Whether workers on other hosts may write to this ledger."""
        return not self._database.is_sqlite

    def history(self) -> History:
        """Everything that decides whether the next attempt is made."""
        with self._database.read() as connection:
            reset = _last(connection, attempt.c.kind == RESET)
            password = max(reset, _last(connection, _success("password")))
            token = max(password, _last(connection, _success("token")))
            of_passwords = attempt.c.kind.in_(("password", DOUBT))
            wanted = or_(attempt.c.number > token, and_(of_passwords, attempt.c.number > password))
            rows = connection.execute(select(attempt).where(wanted).order_by(attempt.c.number)).mappings()
            way = stored_fact(connection, _WAY)
            return History(
                epoch=stored_fact(connection, _EPOCH),
                head=_last(connection, None),
                records=tuple(Record(**row) for row in rows),
                reset_unproven=0 < reset == (token if _about(connection, reset) == "token" else password),
                current=stored_fact(connection, _CURRENT),
                refused=stored_fact(connection, _REFUSED),
                password=stored_fact(connection, _PASSWORD),
                way=way,
                settled=token,
                moved=is_another(stored_fact(connection, _DATABASE), _database(connection)),
                offered=offered_instead(stored_fact(connection, _OFFERED), way),
            )

    def head(self) -> int:
        """The highest number, or 0. It changes whenever a row is added."""
        with self._database.read() as connection:
            return _last(connection, None)

    def credentials(self) -> Sequence[KnownCredential]:
        """Every password that was ever read: the one accepted last comes first, those never accepted come last."""
        with self._database.read() as connection:
            rows = connection.execute(select(credential)).mappings()
            return sorted((KnownCredential(**row) for row in rows), key=lambda known: -(known.accepted or 0))

    def salt(self) -> bytes:
        """The salt of this journal's fingerprints, created on first use."""
        with self._database.read() as connection:
            stored = stored_fact(connection, _SALT)
        return bytes.fromhex(stored or self._new_salt())

    def _new_salt(self) -> str:
        with self._database.write(durable=True) as connection:
            stored = stored_fact(connection, _SALT) or secrets.token_hex(16)
            _set_fact(connection, _SALT, stored)
            return stored

    def begin(
        self,
        *,
        after: int,
        floor: int,
        epoch: str,
        kind: str,
        credential: str | None,
        actor: str,
        at: float,
        jitter: float,
        note: str | None = None,
    ) -> int:
        """Record an attempt before its answer is known. It is on the disk when this returns.

        A password counts against the budget until its answer is known.

        after: the head that the decision was based on. floor: the new number is higher than this, because a restored
        journal's own head may be too low. epoch: identifies this journal from now on. note: the way of logging in.

        Returns:
            The attempt's number.

        Raises:
            Overtaken: the head has changed.
        """
        row = {"kind": kind, "credential": credential, "actor": actor, "counts": kind == "password", "jitter": jitter}
        row["note"] = note
        return self._append(after, floor, epoch, at, row)

    def append(
        self,
        *,
        after: int,
        floor: int,
        epoch: str,
        kind: str,
        actor: str,
        at: float,
        outcome: str | None = None,
        retry_after: float | None = None,
        jitter: float = 0.0,
        said: str | None = None,
        note: str | None = None,
    ) -> int:
        """Record a row that isn't an attempt: a reset, a doubt, or a wait with nothing sent. Otherwise as `begin`.

        outcome: the class of the failure that caused a wait; or what a reset is about, `password` or `token`.
        """
        row = {"kind": kind, "actor": actor, "counts": False, "jitter": jitter, "outcome": outcome}
        row |= {"retry_after": retry_after, "said": said, "note": note, "finished_at": at}
        return self._append(after, floor, epoch, at, row)

    def finish(
        self, number: int, *, outcome: str, counts: bool, at: float, retry_after: float | None = None, said: str = ""
    ) -> None:
        """Record the result of an attempt. It is on the disk when this returns."""
        values = {"outcome": outcome, "counts": counts, "retry_after": retry_after, "said": said, "finished_at": at}
        with self._database.write(durable=True) as connection:
            connection.execute(update(attempt).where(attempt.c.number == number).values(**values))
            if outcome == SUCCEEDED:
                sent = select(attempt.c.credential).where(attempt.c.number == number, attempt.c.kind == "password")
                connection.execute(
                    update(credential).where(credential.c.fingerprint == sent.scalar_subquery()).values(accepted=number)
                )

    def cool_from(self, numbers: Sequence[int], at: float) -> None:
        """Let the waits of these rows start at this time, because the clock was set back to before they began."""
        with self._database.write(durable=True) as connection:
            connection.execute(update(attempt).where(attempt.c.number.in_(numbers)).values(cools_from=at))

    def saw(
        self,
        fingerprint: str,
        at: float,
        *,
        password: bool,
        refused: str | None = None,
        sends: str | None = None,
        way: str | None = None,
    ) -> None:
        """Record that a credential was read. A password's age begins when it is first seen.

        refused: why it won't be sent. sends: the fingerprint of what would be sent instead, such as a token that the
        password led to. way: how the settings say to log in.
        """
        facts = {_CURRENT: sends or fingerprint, _PASSWORD: fingerprint if password else None}
        facts |= {_REFUSED: refused, _WAY: way}
        with self._database.read() as connection:
            known = select(credential.c.fingerprint).where(credential.c.fingerprint == fingerprint)
            is_new = password and connection.execute(known).first() is None
            stored = {name: stored_fact(connection, name) for name in facts}
        if not is_new and stored == facts:
            return
        with self._database.write() as connection:
            for name, value in facts.items():
                _set_fact(connection, name, value)
            if is_new:
                connection.execute(insert(credential).values(fingerprint=fingerprint, first_seen_at=at))

    def offers(self, offered: str | None, way: str) -> None:
        """Note what the server offers instead of this way to log in; None: it offers this way."""
        with self._database.write() as connection:
            _set_fact(connection, _OFFERED, None if offered is None else f"{offered}\n{way}")

    def compact(self, before: float) -> int:
        """Delete rows that finished before that time (epoch s) and no longer decide anything. Returns how many."""
        keep = {record.number for record in self.history().records}
        with self._database.write() as connection:
            reset = _last(connection, attempt.c.kind == RESET)
            successes = (_last(connection, _success("password")), _last(connection, _success("token")))
            keep |= {reset, *successes, _last(connection, None)}
            old = delete(attempt).where(attempt.c.finished_at < before, attempt.c.number.not_in(keep))
            return connection.execute(old).rowcount

    def _append(self, after: int, floor: int, epoch: str, at: float, row: dict[str, Any]) -> int:
        with self._database.write(durable=True) as connection:
            if self.shared:  # SQLite has one writer at a time anyway
                connection.execute(text("LOCK TABLE attempt IN SHARE ROW EXCLUSIVE MODE"))
            head = _last(connection, None)
            if head != after:
                raise Overtaken("another process made a login attempt at the same moment")
            number = max(head, floor) + 1
            if stored_fact(connection, _EPOCH) != epoch:
                _set_fact(connection, _EPOCH, epoch)
            database = _database(connection)
            if stored_fact(connection, _DATABASE) != database:
                _set_fact(connection, _DATABASE, database)
            connection.execute(insert(attempt).values(number=number, at=at, cools_from=at, **row))
            return number


def _success(kind: str) -> Any:
    return and_(attempt.c.kind == kind, attempt.c.outcome == SUCCEEDED)


def _last(connection: Connection, where: Any) -> int:
    query = select(func.max(attempt.c.number))
    return int(connection.execute(query if where is None else query.where(where)).scalar() or 0)


def _about(connection: Connection, reset: int) -> str | None:
    """What a reset is about."""
    about: str | None = connection.execute(select(attempt.c.outcome).where(attempt.c.number == reset)).scalar()
    return about


def _database(connection: Connection) -> str | None:
    """Identifies this database as `CLUSTER OID`; None for a file, which the login's witness identifies by its inode.

    CLUSTER is `-` if we aren't allowed to read it.
    """
    if connection.dialect.name == "sqlite":
        return None
    oid = connection.execute(text("SELECT oid FROM pg_database WHERE datname = current_database()")).scalar()
    may_read = text("SELECT has_function_privilege(to_regprocedure('pg_control_system()'), 'EXECUTE')")
    cluster = None
    if connection.execute(may_read).scalar():
        cluster = connection.execute(text("SELECT system_identifier FROM pg_control_system()")).scalar()
    return f"{cluster or '-'} {oid}"


def is_another(stored: str | None, database: str | None) -> bool:
    """Whether rows stored in one database are now read in another. Both are `CLUSTER OID`; what isn't known matches."""
    pairs = zip((stored or "").split(), (database or "").split(), strict=False)
    return any(before != now for before, now in pairs if "-" not in (before, now))


def offered_instead(stored: str | None, way: str | None) -> str | None:
    """What a server offers, as `AttemptLedger.offers` stored it; None if that was about another way to log in."""
    offered, _, about = (stored or "").partition("\n")
    return offered if stored is not None and about == way else None


def _set_fact(connection: Connection, name: str, value: str | None) -> None:
    connection.execute(delete(fact).where(fact.c.name == name))
    if value is not None:
        connection.execute(insert(fact).values(name=name, value=value))
