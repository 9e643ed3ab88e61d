"""`database` against a real PostgreSQL, and on SQLite."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from handlers.database import Database, DatabaseRefused, DatabaseUnsuitable
from tests.rig.daemon import wait_until
from tests.rig.messages import PDF, RECEIVED, UNPARSABLE, eml, key_of, message_of, report
from tests.rig.postgres import Postgres
from worker import KeyTaken, Message, Reject, Retry
from worker.message.mime.limits import MessageError

Make = Callable[..., Database]


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/messages.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def make() -> Iterator[Make]:
    with ExitStack() as handlers:

        def make(url: str, **options: Any) -> Database:
            parts = make_url(url)
            if parts.password is not None:
                options["password"] = SecretStr(str(parts.password))
            bare = parts._replace(password=None).render_as_string()
            handler = Database(Database.Settings(url=bare, **options))
            handlers.callback(handler.close)
            return handler

        yield make


def rows(url: str, statement: str) -> list[Any]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(text(statement)).mappings())
    finally:
        engine.dispose()


def run(url: str, *statements: str) -> None:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
    finally:
        engine.dispose()


def test_a_message_is_a_row_and_its_attachments_are_rows(url: str, make: Make) -> None:
    message = report(3, attachments={"report.pdf": PDF, "nul.bin": b"\0\xff"})
    make(url)(message)
    (row,) = rows(url, "SELECT * FROM nhsmail_messages")
    assert row["key"] == message.key
    assert row["sha256"] == message.sha256
    assert bytes(row["raw"]) == message.raw
    assert row["subject"] == "Report 3 für Zoë"
    assert row["sender"] == "results@lab.example.org"
    assert json.loads(row["to_addresses"]) == ["pathology.results@nhs.net"]
    assert row["text"].strip() == "Sodium 140."
    if url.startswith("postgresql"):
        assert row["received_at"] == RECEIVED
        assert row["sent_at"] == message.date
    files = rows(url, "SELECT * FROM nhsmail_messages_attachments ORDER BY number")
    assert [(file["key"], file["filename"], bytes(file["content"])) for file in files] == [
        (message.key, "report.pdf", PDF),
        (message.key, "nul.bin", b"\0\xff"),
    ]


def test_the_same_message_is_one_row(url: str, make: Make) -> None:
    first, second = make(url), make(url)
    for handler in (first, second, first):
        handler(report(1))
    assert len(rows(url, "SELECT * FROM nhsmail_messages")) == 1
    assert len(rows(url, "SELECT * FROM nhsmail_messages_attachments")) == 1


@pytest.mark.parametrize("options", [{}, {"raw": False}, {"attachments": False}, {"raw": False, "attachments": False}])
def test_another_message_under_its_key_is_refused(url: str, make: Make, options: dict[str, Any]) -> None:
    handler = make(url, **options)
    handler(report(1, attachments={"report.pdf": PDF}))
    before = rows(url, "SELECT * FROM nhsmail_messages")
    with pytest.raises(KeyTaken) as caught:
        handler(message_of(eml(1, attachments={"report.pdf": PDF + b"."}), key=key_of(1)))
    assert caught.value.__context__ is None
    assert rows(url, "SELECT * FROM nhsmail_messages") == before
    handler(report(1, attachments={"report.pdf": PDF}))


@pytest.mark.parametrize("options", [{}, {"raw": False}, {"attachments": False}])
def test_the_same_message_in_other_bytes_is_taken_for_itself(url: str, make: Make, options: dict[str, Any]) -> None:
    handler = make(url, **options)
    raw = eml(1, attachments={"report.pdf": PDF})
    for sent in (raw, b"X-Added: yes\r\n" + raw):
        handler(message_of(sent, key=key_of(1)))
    assert len(rows(url, "SELECT * FROM nhsmail_messages")) == 1


def test_many_workers_with_the_same_messages_at_once(url: str, make: Make) -> None:
    handlers = [make(url), make(url)]

    def deliver(number: int) -> None:
        while True:
            try:
                handlers[number % 2](report(number // 4))
            except Retry:  # SQLite has one writer at a time
                time.sleep(random.random() / 50)
            else:
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(deliver, range(80)))
    assert len(rows(url, "SELECT * FROM nhsmail_messages")) == 20
    assert len(rows(url, "SELECT * FROM nhsmail_messages_attachments")) == 20


def test_all_or_nothing(url: str, make: Make) -> None:
    make(url)(report(1))
    run(url, "DROP TABLE nhsmail_messages_attachments")
    handler = make(url, create=False, attachments=False)
    handler(report(2, attachments={}))
    whole = make(url)
    whole(report(3))
    run(url, "ALTER TABLE nhsmail_messages_attachments RENAME COLUMN content TO something")
    with pytest.raises((DatabaseRefused, Retry)) as caught:  # SQLite calls it operational
        whole(report(4))
    assert "Zo" not in str(caught.value)
    assert "Sodium" not in str(caught.value)
    assert caught.value.__context__ is None
    keys = {row["key"] for row in rows(url, "SELECT key FROM nhsmail_messages")}
    assert keys == {key_of(1), key_of(2), key_of(3)}


def test_text_that_databases_do_not_store(url: str, make: Make) -> None:
    raw = eml(attachments={}).replace(b"Sodium", b"\0Sodium").replace(b"Subject: ", b"Subject: \xff\xfe\x00")
    make(url)(message_of(raw))
    (row,) = rows(url, "SELECT * FROM nhsmail_messages")
    assert bytes(row["raw"]) == raw
    assert "Sodium" in row["text"]


@pytest.mark.parametrize("date", [b"Mon, 1 Jan 0001 00:00:00 +2300", b"Fri, 31 Dec 9999 23:59:59 -2300", b"nonsense"])
def test_dates_that_no_calendar_has(url: str, make: Make, date: bytes) -> None:
    make(url)(message_of(eml(attachments={}).replace(b"Mon, 5 Jan 2026 10:00:00 +0000", date)))
    assert len(rows(url, "SELECT * FROM nhsmail_messages")) == 1


def test_without_attachments_nothing_is_taken_apart(url: str, make: Make) -> None:
    broken: Message = message_of(UNPARSABLE)
    with pytest.raises(MessageError):
        make(url)(broken)
    make(url, attachments=False, table="plain")(broken)
    make(url, attachments=False, raw=False, table="plain2")(broken)
    assert bytes(rows(url, "SELECT raw FROM plain")[0]["raw"]) == UNPARSABLE
    assert rows(url, "SELECT raw FROM plain2")[0]["raw"] is None


def test_a_table_that_is_not_there_is_a_fault_of_ours(url: str, make: Make) -> None:
    handler = make(url, create=False)
    with pytest.raises(DatabaseUnsuitable, match="no table nhsmail_messages"):
        handler(report(1))
    make(url)(report(2))
    handler(report(1))
    assert len(rows(url, "SELECT * FROM nhsmail_messages")) == 2


def test_a_key_that_is_not_unique_is_refused(url: str, make: Make) -> None:
    make(url)(report(1))
    run(url, "CREATE TABLE copy AS SELECT * FROM nhsmail_messages")
    run(url, "CREATE TABLE copy_attachments AS SELECT * FROM nhsmail_messages_attachments")
    handler = make(url, table="copy")
    with pytest.raises(DatabaseUnsuitable, match="unique"):
        handler(report(2))
    run(url, "CREATE UNIQUE INDEX one ON copy (key)", "CREATE UNIQUE INDEX two ON copy_attachments (key, number)")
    handler(report(2))
    assert len(rows(url, "SELECT * FROM copy")) == 2


def test_values_that_the_database_refuses_are_rejected(postgres_url: str, make: Make) -> None:
    handler = make(postgres_url)
    handler(report(1))
    run(postgres_url, "ALTER TABLE nhsmail_messages ALTER COLUMN subject TYPE varchar(10) USING 'x'")
    with pytest.raises(Reject) as caught:
        handler(report(2))
    assert caught.value.__context__ is None


def test_a_missing_right_is_a_fault_of_ours(postgres_url: str, make: Make) -> None:
    make(postgres_url)(report(1))
    role = f"reader{random.randrange(10**9)}"
    run(
        postgres_url,
        f"CREATE ROLE {role} LOGIN PASSWORD 'Open-Window-33'",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    )
    reader = make_url(postgres_url).set(username=role, password="Open-Window-33").render_as_string(hide_password=False)
    handler = make(reader)
    with pytest.raises(DatabaseRefused, match="42501"):
        handler(report(2))
    handler(report(1))  # it is there, which is all that is asked


def test_a_schema(postgres_url: str, make: Make) -> None:
    run(postgres_url, "CREATE SCHEMA mail")
    make(postgres_url, schema="mail")(report(1))
    assert len(rows(postgres_url, "SELECT * FROM mail.nhsmail_messages_attachments")) == 1


def test_a_wrong_password_says_nothing(postgres_url: str, make: Make) -> None:
    wrong = make_url(postgres_url).set(password="Wrong-Gate-77").render_as_string(hide_password=False)
    with pytest.raises(Retry) as caught:
        make(wrong)(report(1))
    assert "Wrong-Gate" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_locked_table_makes_nobody_lose(postgres_url: str, make: Make) -> None:
    handler = make(postgres_url, connections=1, timeout=timedelta(seconds=1))
    handler(report(1))
    engine = create_engine(postgres_url)
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE nhsmail_messages"))
        waiting = threading.Thread(target=handler, args=(report(2),))
        waiting.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'nhsmail_messages'::regclass"
        assert wait_until(lambda: rows(postgres_url, waits) == [{"count": 1}], 30)
        with pytest.raises(Retry, match="TimeoutError"):
            handler(report(3))
    waiting.join()
    engine.dispose()
    assert len(rows(postgres_url, "SELECT * FROM nhsmail_messages")) == 2


def test_the_database_killed_in_the_middle_loses_nothing_and_doubles_nothing(make: Make) -> None:
    """Sessions ended, then the server crashed twice, while eight threads write: each message is there once, whole."""
    with Postgres() as server:
        url = server.fresh_url()
        handler = make(url, connections=8)
        retries = 0
        done: list[int] = []

        def deliver(number: int) -> None:
            nonlocal retries
            for _ in range(2_000):
                try:
                    handler(report(number))
                except Retry:
                    retries += 1
                    time.sleep(0.02)
                else:
                    done.append(number)
                    return
            raise AssertionError("never delivered")

        def break_it() -> None:
            for wanted in (30, 60, 90):
                assert wait_until(lambda wanted=wanted: len(done) >= wanted, 30)  # type: ignore[misc]  # the loop's own
                if wanted == 30:
                    server.kill_sessions()
                else:
                    server.stop(abruptly=True)
                    server.start()

        with ThreadPoolExecutor(9) as pool:
            breaking = pool.submit(break_it)
            list(pool.map(deliver, range(120)))
            breaking.result()
        assert retries > 0
        found = rows(url, "SELECT key, sha256 FROM nhsmail_messages ORDER BY key")
        assert [(row["key"], row["sha256"]) for row in found] == [
            (key_of(number), report(number).sha256) for number in sorted(range(120), key=key_of)
        ]
        files = rows(url, "SELECT key, content FROM nhsmail_messages_attachments")
        assert len(files) == 120
        assert {bytes(file["content"]) for file in files} == {PDF}


def test_times_are_those_of_the_message(postgres_url: str, make: Make) -> None:
    make(postgres_url)(message_of(eml(attachments={}).replace(b"10:00:00 +0000", b"10:00:00 +0100")))
    (row,) = rows(postgres_url, "SELECT sent_at FROM nhsmail_messages")
    assert row["sent_at"] == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "nonsense"},
        {"url": "unknown://host/name"},
        {"url": "postgresql+psycopg://user:Some-Word-1@host/name"},
        {"url": "sqlite:////tmp/a.db", "table": "a; DROP TABLE b"},
        {"url": "sqlite:////tmp/a.db", "schema": 'a"b'},
        {"url": "sqlite:////tmp/a.db", "connections": 0},
    ],
)
def test_settings_that_can_not_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Database.Settings(**options)
    assert "Some-Word" not in str(caught.value)
