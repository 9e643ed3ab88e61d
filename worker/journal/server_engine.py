"""The engine of a journal on a PostgreSQL server, which replicas on several hosts share."""

from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from worker.connections import Unprotected, line_for, postgres_options

CONNECT_TIMEOUT_S = 5
"""Seconds until a database server that doesn't answer counts as lost. Its URL may override all of `_PATIENCE`."""
_PATIENCE = {"connect_timeout": CONNECT_TIMEOUT_S, "tcp_user_timeout": 10_000, "keepalives_idle": 10}
_TABLE: Final = "[state]"


def protection(url: URL, *, allow_clear: bool) -> dict[str, str]:
    """What the driver must be told so that the connection is protected as `worker.connections` says.

    Raises:
        Unprotected: the URL asks for less.
    """
    if (url.get_backend_name(), url.get_driver_name()) != ("postgresql", "psycopg"):
        raise Unprotected("must begin with postgresql+psycopg://: no other connection is verified")
    _, given = url.get_dialect()().create_connect_args(url)  # as `create_engine` will do
    return postgres_options(given, allow_clear=allow_clear, table=_TABLE)


def is_clear(options: dict[str, str]) -> bool:
    """Whether a connection with this protection sends everything to another machine in clear text."""
    return options.get("sslmode") == "disable"


def advice_on(refusal: str) -> str:
    """What a person does about a connection that libpq gave up for want of protection; empty for any other error.

    refusal: libpq's text, in lower case.
    """
    if "does not support ssl" in refusal:
        return f"The server offers no TLS. Turn it on there (`ssl = on`), or {line_for(_TABLE)}"
    if "certificate verify failed" in refusal or "server certificate for" in refusal:
        return (
            "Nothing was sent. A trusted authority must have signed the server's certificate, and it must name the "
            "server as the URL does. `?sslrootcert=FILE` in the URL names a private authority."
        )
    return ""


def server_engine(url: URL, options: dict[str, str]) -> Engine:
    """READ COMMITTED: two transactions that change the same row do so one after the other, and neither fails.

    options: of `protection`.
    """
    patience = {name: value for name, value in _PATIENCE.items() if name not in url.query}
    engine = create_engine(
        url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args={**patience, **options}
    )

    @event.listens_for(engine, "after_cursor_execute")
    def end_pipeline(
        connection: Connection, _cursor: object, _said: str, _values: object, _context: object, many: bool
    ) -> None:
        """Make the timeout for idle transactions work after `executemany`.

        `executemany` uses a pipeline, after which PostgreSQL 15 doesn't time how long the transaction idles. A process
        that is suspended right there would keep its locks, and block its successor, until it is resumed.
        """
        if many:
            cursor = connection.connection.cursor()
            cursor.execute("SELECT 1")
            cursor.close()

    return engine
