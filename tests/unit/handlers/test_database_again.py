"""`database` with messages that are handled again: rows of their own, or the same rows again, as the settings say."""

from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from handlers.database import Database
from tests.unit.handlers.redeliveries import KEY, message
from worker import KeyTaken
from worker.testing import Runner


def rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    engine = create_engine(f"sqlite:///{path}")
    columns = "key, raw" if table == "nhsmail_messages" else "key, safe_filename, content"
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY key"))]  # noqa: S608 -- our own words
    engine.dispose()
    return found


def test_database_adds_rows_under_the_key_with_the_count(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    with Runner(Database, {"url": f"sqlite:///{path}"}) as runner:
        for count in (0, 1, 1, 2):
            assert runner.deliver(message(count)).done
    assert [key for key, _ in rows(path, "nhsmail_messages")] == [KEY, f"{KEY}.1", f"{KEY}.2"]
    assert [key for key, *_ in rows(path, "nhsmail_messages_attachments")] == [KEY, f"{KEY}.1", f"{KEY}.2"]


def test_database_updates_the_rows_under_the_key(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    with Runner(Database, {"url": f"sqlite:///{path}", "again": "update"}) as runner:
        assert runner.deliver(message(0)).done
        whole = rows(path, "nhsmail_messages"), rows(path, "nhsmail_messages_attachments")
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            connection.execute(text("UPDATE nhsmail_messages SET subject = ''"))
            connection.execute(text("DELETE FROM nhsmail_messages_attachments"))
        assert runner.deliver(message(0)).done
        assert rows(path, "nhsmail_messages_attachments") == [], "only a person's word writes them again"
        for _ in range(2):
            assert runner.deliver(message(1)).done
            assert (rows(path, "nhsmail_messages"), rows(path, "nhsmail_messages_attachments")) == whole
        with engine.connect() as connection:
            assert connection.execute(text("SELECT subject FROM nhsmail_messages")).scalars().all() == ["Report"]
        engine.dispose()


def test_database_updates_no_row_of_other_content(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    with Runner(Database, {"url": f"sqlite:///{path}", "again": "update"}, show_errors=False) as runner:
        assert runner.deliver(message(0)).done
        before = rows(path, "nhsmail_messages")
        assert isinstance(runner.deliver(message(1, subject="Other")).error, KeyTaken)
        assert rows(path, "nhsmail_messages") == before


def test_what_an_update_is_not_to_write_stays(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    with Runner(Database, {"url": f"sqlite:///{path}"}) as runner:
        assert runner.deliver(message(0)).done
    before = rows(path, "nhsmail_messages"), rows(path, "nhsmail_messages_attachments")
    settings = {"url": f"sqlite:///{path}", "again": "update", "raw": False, "attachments": False}
    with Runner(Database, settings) as runner:
        assert runner.deliver(message(1)).done
    assert (rows(path, "nhsmail_messages"), rows(path, "nhsmail_messages_attachments")) == before
