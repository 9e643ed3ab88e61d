"""`webhook` with messages that are handled again: the far end can tell."""

import json
from collections.abc import Mapping
from contextlib import closing

import pytest

from handlers.webhook import Webhook
from tests.unit.handlers.redeliveries import KEY, message


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
