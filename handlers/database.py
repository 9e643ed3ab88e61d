"""`database`: writes each message to two tables, one for messages and one for attachments.

All rows of a message are written in one transaction, and the message's key is unique. If a message comes again, its row
is found and nothing is written; if that row has other content, the message becomes a dead letter. If the answer to a
commit is lost, the next try finds the row.

Where a person has a message handled again, its rows are added under `KEY.1`, `KEY.2`, …, or the rows under its key are
written again; the setting `again` says which.
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from worker import KeyTaken, Message, Reject, Retry, as_json, describe
from worker.connections import Target, postgres_options, refuse_weakening

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData, Table
    from sqlalchemy.engine import URL

_PATIENCE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "tcp_user_timeout": 60_000,
}
"""Makes libpq notice a dead server within a minute instead of hours. The URL can override this."""
_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,47}$"


class DatabaseRefused(Exception):
    """The database refuses the statement: a table, a column or a privilege is missing, for instance."""


class RowRefused(Exception):
    """A constraint of the tables doesn't allow this message's row."""


class DatabaseUnsuitable(Exception):
    """There is no table that this handler can use: it is missing, or lacks a unique key."""


class _New(NamedTuple):
    """A message, its row, and the rows of its attachments."""

    message: Message
    row: dict[str, Any]
    files: list[dict[str, Any]]


class Database:
    """Writes each message, once, to two tables of a database.

    Thread-safe.
    """

    outages = (DatabaseRefused, DatabaseUnsuitable)
    real_effect = "writes the message to its database"

    class Settings(BaseModel):
        """The table `[handler.database]`."""

        model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

        url: str = Field(
            description="The database, as SQLAlchemy names it: `postgresql+psycopg://user@host/name`. No password. "
            "PostgreSQL beyond this machine is TLS, and certificate and name are verified: `?sslrootcert=FILE` names a "
            "private authority.",
            examples=["postgresql+psycopg://nhsmail@db.trust.nhs.uk/results"],
        )
        password: SecretStr | None = Field(default=None, description="The password of the user in `url`.")
        table: str = Field(
            default="nhsmail_messages",
            pattern=_NAME,
            description="The table for messages. The one for attachments has `_attachments` added to the name.",
        )
        db_schema: str | None = Field(
            default=None,
            alias="schema",
            pattern=_NAME,
            description="The schema that both tables are in. Unset: the database's default.",
        )
        create: bool = Field(default=True, description="Make the tables that aren't there.")
        raw: bool = Field(default=True, description="Store the message as fetched, in the column `raw`.")
        attachments: bool = Field(
            default=True,
            description="Store `text`, `html` and the attachments. Without them no message needs to be parsed.",
        )
        again: Literal["add", "update"] = Field(
            default="add",
            description="What happens to a message that a person has handled again. `add` writes its rows under "
            "`KEY.1`, `KEY.2` and so on. `update` writes the rows under its key again.",
        )
        connections: int = Field(default=4, ge=1, le=100, description="Connections at once, at most.")
        timeout: timedelta = Field(
            default=timedelta(seconds=30), gt=timedelta(0), description="How long to wait for a free connection."
        )
        allow_clear: bool = Field(
            default=False,
            description="Accept that password and mail go to another machine in clear text. PostgreSQL: no TLS is "
            "tried then, unless the URL says `sslmode=verify-full`. Other databases need it, because their TLS isn't "
            "verified by the worker. `check` and the log say so.",
        )

        @field_validator("url")
        @classmethod
        def _is_a_url(cls, url: str) -> str:
            from sqlalchemy.engine import make_url
            from sqlalchemy.exc import ArgumentError, NoSuchModuleError

            try:
                parts = make_url(url)
                parts.get_dialect()
            except ArgumentError:
                raise ValueError("must be a database URL, such as postgresql+psycopg://user@host/name") from None
            except NoSuchModuleError:
                raise ValueError("names a kind of database that isn't known here: install its driver") from None
            if parts.password is not None:
                raise ValueError("can't hold the password: give it as password_file")
            return url

        @model_validator(mode="after")
        def _is_protected(self) -> "Database.Settings":
            _protection(self)
            return self

        @property
        def sends_clear(self) -> bool:
            """Whether password and mail go, or may go, to another machine in clear text."""
            from sqlalchemy.engine import make_url

            if _is_libpq(url := make_url(self.url)):
                return _protection(self).get("sslmode") == "disable"
            return _other_target(url, allow_clear=self.allow_clear).is_clear

    def __init__(self, settings: Settings) -> None:
        """Connects with the first message, not here. Raises ImportError if the driver is missing."""
        self._settings = settings
        self._engine = _engine(settings)
        self._messages, self._attachments = _tables(settings)
        self._lock = threading.Lock()
        self._looked = False

    def __call__(self, message: Message) -> None:
        """Write the message unless it is there already. When this returns, it has been committed.

        Raises:
            Retry: the database can't be reached, is busy, or ended the transaction.
            Reject: the database says that the values can't be stored.
            DatabaseRefused, DatabaseUnsuitable: the database isn't set up for this. Another try may succeed.
            RowRefused: the database isn't made for this message. Another try may succeed.
            MessageError: the message can't be parsed (only with `attachments`).
            KeyTaken: other content has been written under the message's key.
        """
        trouble = self._attempt(_New(message, *self._rows(message)))
        if trouble is not None:
            raise trouble  # here, so that the database's own error, which quotes values, isn't its context

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _attempt(self, new: _New) -> Exception | None:
        from sqlalchemy.exc import IntegrityError, SQLAlchemyError

        try:
            self._look()
            with self._engine.begin() as connection:
                there = self._there(connection, new)
                if there is None:
                    self._insert(connection, new)
                elif there and self._updates(new):
                    self._update(connection, new)
        except IntegrityError as error:
            return self._after_a_clash(new, error)
        except SQLAlchemyError as error:
            return _meaning(error)
        return None if there is not False else _taken()

    def _after_a_clash(self, new: _New, error: Exception) -> Exception | None:
        """None if another worker has written the same message at the same time; otherwise the error."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as connection:
                there = self._there(connection, new)
        except SQLAlchemyError as another:
            return _meaning(another)
        if there is None:
            return _meaning(error)
        return None if there else _taken()

    def _there(self, connection: "Connection", new: _New) -> bool | None:
        """Whether the row with this key has this content; None if there is no such row.

        Without the bytes, the texts and the attachments are compared. Without those, only the same bytes are the same.
        """
        from sqlalchemy import select

        messages, attachments = self._messages.c, self._attachments.c
        columns = select(messages.sha256, messages.raw, messages.text, messages.html)
        found = connection.execute(columns.where(messages.key == new.row["key"])).first()
        if found is None:
            return None
        if found.sha256 == new.row["sha256"] or found.raw is not None:
            return found.sha256 == new.row["sha256"] or new.message.has_content_of(bytes(found.raw))
        if not self._settings.attachments or (found.text, found.html) != (new.row["text"], new.row["html"]):
            return False
        stored = select(attachments.content).where(attachments.key == new.row["key"]).order_by(attachments.number)
        return [bytes(one) for one in connection.execute(stored).scalars()] == [one["content"] for one in new.files]

    def _updates(self, new: _New) -> bool:
        """Whether the rows that are there are written again: a person wants that, and they are of the same content."""
        return new.message.redelivery > 0 and self._settings.again == "update"

    def _update(self, connection: "Connection", new: _New) -> None:
        """Write the rows again. What the settings leave out stays as it is, and so do columns that aren't ours."""
        messages, attachments = self._messages, self._attachments
        left_out: tuple[str, ...] = () if self._settings.attachments else ("text", "html")
        left_out += () if self._settings.raw else ("raw",)
        row = {name: value for name, value in new.row.items() if name not in left_out}
        connection.execute(messages.update().where(messages.c.key == new.row["key"]).values(**row))
        if self._settings.attachments:
            connection.execute(attachments.delete().where(attachments.c.key == new.row["key"]))
            if new.files:
                connection.execute(attachments.insert(), new.files)

    def _insert(self, connection: "Connection", new: _New) -> None:
        connection.execute(self._messages.insert(), new.row)
        if new.files:
            connection.execute(self._attachments.insert(), new.files)

    def _look(self) -> None:
        """Once: create the tables, and check that the key is unique, because everything else depends on that."""
        if self._looked:
            return
        with self._lock:
            if self._looked:
                return
            if self._settings.create:
                self._create()
            _see_that_it_is_unique(self._engine, self._messages, ("key",))
            if self._settings.attachments:
                _see_that_it_is_unique(self._engine, self._attachments, ("key", "number"))
            self._looked = True

    def _create(self) -> None:
        from sqlalchemy.exc import DBAPIError

        metadata: MetaData = self._messages.metadata
        tables = [self._messages, self._attachments] if self._settings.attachments else [self._messages]
        try:
            metadata.create_all(self._engine, tables=tables)
        except DBAPIError:  # another worker may have created them just now
            metadata.create_all(self._engine, tables=tables)

    def _rows(self, message: Message) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        whole = self._settings.attachments
        told = describe(message, attachments=whole)
        key = told["key"] if self._settings.again == "update" else message.delivery_key
        row = {
            "key": key,
            **{name: told[name] for name in ("sha256", "size", "path", "kind", "protection")},
            **{name: _storable(told[name]) for name in ("folder", "message_id", "subject")},
            "sender": _storable(told["from"]),
            **{name: _storable(_json(told[name])) for name in ("notices", "evidence")},
            "to_addresses": _storable(_json(told["to"])),
            "cc_addresses": _storable(_json(told["cc"])),
            "received_at": _in_utc(message.received_at),
            "sent_at": _in_utc(message.date),
            "text": _storable(message.text) if whole else None,
            "html": _storable(message.html) if whole else None,
            "raw": message.raw if self._settings.raw else None,
        }
        files = [
            {
                "key": key,
                "number": number,
                "content": attachment.read(),
                "size": attachment.size,
                "inline": attachment.inline,
                **{
                    name: _storable(getattr(attachment, name))
                    for name in ("filename", "safe_filename", "content_type", "detected_type")
                },
            }
            for number, attachment in enumerate(message.attachments if whole else (), start=1)
        ]
        return row, files


def _taken() -> KeyTaken:
    return KeyTaken("other content has been written under this key")


def _json(value: Any) -> str:
    return as_json(value).decode()


def _storable(text: str | None) -> str | None:
    """The text without what databases can't store: NUL characters and lone surrogates."""
    if text is None:
        return None
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _in_utc(moment: datetime | None) -> datetime | None:
    """In UTC, for databases without time zones. None if a sender's date is out of range in UTC."""
    if moment is None or moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _is_libpq(url: "URL") -> bool:
    return url.get_backend_name() == "postgresql" and url.get_driver_name() in ("psycopg", "psycopg2")


def _other_target(url: "URL", *, allow_clear: bool) -> Target:
    """Where the URL of a database other than PostgreSQL leads; its parameters may lead anywhere."""
    kind, elsewhere = url.get_backend_name(), any(name.lower() in _ELSEWHERE for name in url.query)
    return Target(kind, "?" if elsewhere else url.host or "", encrypted=kind == "sqlite", allow_clear=allow_clear)


_ELSEWHERE = frozenset({"host", "hostname", "server", "addr", "address", "dsn", "odbc_connect", "connect_string"})


def _protection(settings: Database.Settings) -> dict[str, str]:
    """What libpq must be told so that the connection is protected. Raises Unprotected."""
    from sqlalchemy.engine import make_url

    url = make_url(settings.url)
    if _is_libpq(url):
        _, given = url.get_dialect()().create_connect_args(url)  # as the engine will do
        return postgres_options(given, allow_clear=settings.allow_clear)
    target = _other_target(url, allow_clear=settings.allow_clear)
    target.check("use PostgreSQL, whose connections the worker verifies")
    if not target.is_local:
        refuse_weakening(url.query)
    return {}


def _engine(settings: Database.Settings) -> "Engine":
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url

    url: URL = make_url(settings.url)
    if settings.password is not None:
        url = url.set(password=settings.password.get_secret_value())
    pool: dict[str, Any] = {}
    if url.get_backend_name() != "sqlite" or url.database not in (None, "", ":memory:"):
        pool = {
            "pool_size": settings.connections,
            "max_overflow": 0,
            "pool_timeout": settings.timeout.total_seconds(),
        }
    if url.get_backend_name() == "postgresql" and "psycopg" in url.get_driver_name():
        pool["connect_args"] = _PATIENCE | {name: value for name, value in url.query.items() if name in _PATIENCE}
    pool.setdefault("connect_args", {}).update(_protection(settings))
    # Test a connection before reusing it, and keep parameters, which are mail content, out of error messages.
    return create_engine(url, pool_pre_ping=True, hide_parameters=True, **pool)


def _tables(settings: Database.Settings) -> "tuple[Table, Table]":
    from sqlalchemy import (
        BigInteger,
        Boolean,
        Column,
        DateTime,
        ForeignKey,
        Integer,
        LargeBinary,
        MetaData,
        String,
        Table,
        Text,
    )
    from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT

    long_text = Text().with_variant(LONGTEXT(), "mysql", "mariadb")  # plain TEXT is limited to 64 KiB there
    long_bytes = LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")
    metadata = MetaData(schema=settings.db_schema)
    in_schema = f"{settings.db_schema}.{settings.table}" if settings.db_schema else settings.table
    messages = Table(
        settings.table,
        metadata,
        Column("key", String(100), primary_key=True),
        Column("sha256", String(64), nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("folder", Text, nullable=False),
        Column("path", String(16), nullable=False),
        Column("evidence", Text, nullable=False),
        Column("received_at", DateTime(timezone=True), nullable=False),
        Column("sent_at", DateTime(timezone=True)),
        Column("message_id", Text),
        Column("sender", Text),
        Column("to_addresses", Text, nullable=False),
        Column("cc_addresses", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("kind", String(32), nullable=False),
        Column("notices", Text, nullable=False),
        Column("protection", String(32)),
        Column("text", long_text),
        Column("html", long_text),
        Column("raw", long_bytes),
    )
    attachments = Table(
        f"{settings.table}_attachments",
        metadata,
        Column("key", String(100), ForeignKey(f"{in_schema}.key", ondelete="CASCADE"), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("filename", Text),
        Column("safe_filename", Text, nullable=False),
        Column("content_type", Text, nullable=False),
        Column("detected_type", Text, nullable=False),
        Column("inline", Boolean, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("content", long_bytes, nullable=False),
    )
    return messages, attachments


def _see_that_it_is_unique(engine: "Engine", table: "Table", columns: tuple[str, ...]) -> None:
    from sqlalchemy import inspect
    from sqlalchemy.exc import NoSuchTableError

    inspector = inspect(engine)
    try:
        keys = [inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]]
        keys += [found["column_names"] for found in inspector.get_unique_constraints(table.name, table.schema)]
        indexes = inspector.get_indexes(table.name, table.schema)
        unique = [found["column_names"] for found in indexes if found["unique"]]
        keys += [[name or "" for name in names] for names in unique]  # an expression has no column name
    except NoSuchTableError:
        raise DatabaseUnsuitable(f"there is no table {table.name}: make it, or set create = true") from None
    if set(columns) not in [set(key) for key in keys]:
        raise DatabaseUnsuitable(
            f"in the table {table.name} {' and '.join(columns)} must be unique, or a message could be there twice"
        )


def _meaning(error: Exception) -> Exception:
    """What a database error means for the message, judged by its class. Its text isn't used: it may quote values."""
    from sqlalchemy import exc

    if _is_unprotected(error):
        return DatabaseRefused(
            "the database can't be reached over verified TLS, so nothing was sent: check its certificate and "
            "sslrootcert, or accept clear text with allow_clear = true"
        )
    state = getattr(getattr(error, "orig", None), "sqlstate", "")  # None: of the driver, about a broken connection
    said = f"{type(error).__name__}, SQLSTATE {state}" if state else type(error).__name__
    if isinstance(error, exc.DataError) or str(state)[:2] == _TOO_LARGE:  # to psycopg, that is an OperationalError
        return Reject(f"the database says that the values can't be stored: {said}")
    passing = isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError | exc.DisconnectionError)
    if passing or (
        isinstance(error, exc.DBAPIError) and (state is None or error.connection_invalidated or state[:2] in _PASSING)
    ):
        return Retry(f"the database can't take it now: {said}")
    if isinstance(error, exc.IntegrityError):
        return RowRefused(f"a constraint of the table is against it: {said}")
    return DatabaseRefused(f"the database doesn't take it: {said}")


def _is_unprotected(error: Exception) -> bool:
    """Whether libpq gave the connection up because the server has no TLS, or can't prove who it is."""
    said = str(getattr(error, "orig", "")).lower()
    return any(words in said for words in _UNPROTECTED)


_UNPROTECTED = ("does not support ssl", "certificate verify failed", "server certificate for")
"""What libpq says then. Only looked for, and never passed on."""
_TOO_LARGE = "54"
"""The SQLSTATE class of what exceeds a limit of the database, such as the size of a row."""
_PASSING = frozenset({"08", "40", "53", "55", "57", "58"})
"""SQLSTATE classes of temporary errors: connection, rollback, resources, object state, operator, system."""
