"""`queue` with messages that are handled again: a consumer can tell."""

from contextlib import closing
from typing import Any

import pytest

from handlers.queue import Queue
from tests.unit.handlers.redeliveries import KEY, message


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
