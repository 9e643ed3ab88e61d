"""What `database` says of an error: about the database, an outage; about the values, the message's own."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy.exc
from pydantic import ValidationError

from handlers.database import Database, DatabaseRefused, DatabaseUnsuitable, RowRefused
from worker import Retry
from worker.handling.failure import CallFailure
from worker.handling.outage import About
from worker.testing import make_message


def about(error: BaseException) -> About:
    return CallFailure.of(error, Database.outages).about


@pytest.fixture
def call_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Exception], None]]:
    """Call the handler once, with a driver that raises this."""
    with closing(Database(Database.Settings(url=f"sqlite:///{tmp_path}/mail.db"))) as handler:

        def call(error: Exception) -> None:
            def fail(*_: object) -> None:
                raise error

            monkeypatch.setattr(Database, "_insert", fail)  # private: no database fails on demand
            handler(make_message())

        yield call


class Original(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__()
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "state", "expected"),
    [
        (sqlalchemy.exc.OperationalError, "08006", About.TARGET),
        (sqlalchemy.exc.OperationalError, "53100", About.TARGET),
        (sqlalchemy.exc.OperationalError, "54000", About.MESSAGE),  # the row is too large
        (sqlalchemy.exc.IntegrityError, "23514", About.MESSAGE),
        (sqlalchemy.exc.DataError, "22001", About.MESSAGE),
        (sqlalchemy.exc.ProgrammingError, "42501", About.TARGET),
        (
            sqlalchemy.exc.ProgrammingError,
            None,
            About.TARGET,
        ),  # the connection broke, and the driver stumbled over that
    ],
)
def test_of_a_databases_errors_those_about_the_values_are_the_messages_own(
    call_with: Callable[[Exception], None],
    error: type[sqlalchemy.exc.DBAPIError],
    state: str | None,
    expected: About,
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- of which class is what is asked
        call_with(error("x", {}, Original(state)))
    assert about(caught.value) is expected


def test_what_it_refuses_is_an_outage_unless_it_is_the_row() -> None:
    found = [about(error) for error in (DatabaseRefused(), DatabaseUnsuitable(), RowRefused())]
    assert found == [About.TARGET, About.TARGET, About.MESSAGE]


def test_what_a_driver_says_of_a_broken_connection_is_tried_again(call_with: Callable[[Exception], None]) -> None:
    with pytest.raises(Retry):
        call_with(sqlalchemy.exc.ProgrammingError("x", {}, Original(None)))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql+psycopg://worker@db.example/mail?sslmode=disable", "line: allow_clear = true"),
        ("postgresql+psycopg://worker@db.example/mail?sslmode=require", "doesn't verify the server"),
        ("postgresql+psycopg://worker@localhost/mail?hostaddr=10.0.0.1&sslmode=prefer", "doesn't verify the server"),
        ("postgresql+psycopg:///mail?host=db.example&sslmode=allow", "doesn't verify the server"),
        ("mysql+pymysql://worker@db.example/mail", "use PostgreSQL, whose connections the worker verifies"),
        ("mssql+pyodbc:///?odbc_connect=Server%3Ddb", "use PostgreSQL"),
        ("mysql+pymysql:///mail?host=db.example", "use PostgreSQL"),
    ],
)
def test_a_connection_that_is_not_verified_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Database.Settings(url=url)


@pytest.mark.parametrize("query", ["ssl_verify_cert=false", "ssl_disabled=true", "TrustServerCertificate=yes"])
def test_clear_text_that_is_accepted_is_not_tls_without_verification(query: str) -> None:
    with pytest.raises(ValidationError, match="weakens TLS"):
        Database.Settings(url=f"mysql+pymysql://worker@db.example/mail?{query}", allow_clear=True)


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("postgresql+psycopg://worker@db.example/mail", True),
        ("postgresql+psycopg://worker@db.example/mail?sslmode=verify-full", False),
        ("postgresql+psycopg://worker@localhost/mail", False),
        ("mysql+pymysql://worker@db.example/mail", True),
        ("mysql+pymysql://worker@localhost/mail?charset=utf8mb4", False),
        ("sqlite:///mail.db", False),
    ],
)
def test_what_is_sent_in_clear_text_is_known(url: str, clear: bool) -> None:
    assert Database.Settings(url=url, allow_clear=True).sends_clear is clear
