"""What the built-in handlers do with a message that is handled again: consumers can tell, nothing is overwritten."""

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from handlers.archive import Archive
from handlers.command import Command
from handlers.database import Database
from handlers.queue import Queue
from handlers.webhook import Webhook
from worker import KeyTaken, Message
from worker.testing import Runner, make_message

KEY = "a" * 26


def message(redelivery: int, subject: str = "Report", attachment: bytes = b"%PDF-1.7") -> Message:
    return make_message(
        key=KEY, subject=subject, attachments={"report.pdf": attachment}, text=subject, redelivery=redelivery
    )


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_archive_writes_a_complete_folder_beside_the_first(tmp_path: Path) -> None:
    with Runner(Archive, {"url": tmp_path.as_uri()}) as runner:
        assert runner.deliver(message(0)).done
        first = files(tmp_path)
        assert runner.handle_again(message(0)).done
        assert runner.deliver(message(2)).done
        found = files(tmp_path)
        names = ("attachments/report.pdf", "message.eml", "message.json")
        assert set(found) == {f"{KEY}{end}/{name}" for end in ("", ".1", ".2") for name in names}
        assert {name: found[name] for name in first} == first
        told = [json.loads(found[f"{KEY}{end}/message.json"]) for end in ("", ".1", ".2")]
        assert [(one["key"], one["redelivery"]) for one in told] == [(KEY, 0), (KEY, 1), (KEY, 2)]
        assert runner.crash(message(2)).done
        assert runner.redeliver(message(2)).done
        assert files(tmp_path) == found


def test_archive_overwrites_no_other_content_that_lies_there(tmp_path: Path) -> None:
    with Runner(Archive, {"url": tmp_path.as_uri()}, show_errors=False) as runner:
        assert runner.deliver(message(1)).done
        before = files(tmp_path)
        assert isinstance(runner.deliver(message(1, attachment=b"%PDF-1.8")).error, KeyTaken)
        assert files(tmp_path) == before


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


def test_a_webhook_carries_the_key_with_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[bytes, Mapping[str, str]]] = []

    def post(_: Webhook, body: bytes, headers: Mapping[str, str]) -> tuple[int, None]:
        sent.append((body, headers))
        return 200, None

    monkeypatch.setattr(Webhook, "_post", post)  # private: a server of its own would show the same
    settings = Webhook.Settings.model_validate({"url": "https://far.example/mail", "signing_secret": "s" * 24})
    with closing(Webhook(settings)) as handler:
        for count in (0, 1):
            handler(message(count))
    assert [headers["Idempotency-Key"] for _, headers in sent] == [KEY, f"{KEY}.1"]
    assert [headers["webhook-id"] for _, headers in sent] == [KEY, f"{KEY}.1"]
    told = [json.loads(body) for body, _ in sent]
    assert [(one["key"], one["redelivery"]) for one in told] == [(KEY, 0), (KEY, 1)]


def test_a_queue_carries_the_key_with_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, Any]] = []

    def publish(_: Queue, _connection: Any, key: str, body: Any, _headers: Any) -> None:
        sent.append((key, body))

    monkeypatch.setattr(Queue, "_publish", publish)  # private: a broker of its own would show the same
    with closing(Queue(Queue.Settings(url="amqp://127.0.0.1//", queue="mail"))) as handler:
        for count in (0, 1):
            handler(message(count))
    assert [key for key, _ in sent] == [KEY, f"{KEY}.1"]
    assert [(body["key"], body["redelivery"]) for _, body in sent] == [(KEY, 0), (KEY, 1)]


def test_a_program_gets_the_count_in_a_variable(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["/bin/sh", "-c", f'echo "$MESSAGE_KEY $MESSAGE_REDELIVERY" >> {out}']
    with Runner(Command, {"command": command}) as runner:
        assert runner.deliver(message(0)).done
        assert runner.deliver(message(3)).done
    assert out.read_text() == f"{KEY} 0\n{KEY} 3\n"
