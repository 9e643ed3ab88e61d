"""What `queue` says of the broker: a refusal is an outage, of the broker or of the object store. Whom it refuses."""

from typing import Any

import pytest
from botocore.config import Config  # type: ignore[import-untyped]  # it ships no types
from botocore.session import Session  # type: ignore[import-untyped]  # it ships no types
from pydantic import ValidationError

from handlers.queue import Queue, QueueRefused, _tls, _transport_options, _with_password
from worker.handling.failure import CallFailure
from worker.handling.outage import About
from worker.objects import ObjectsRefused


@pytest.mark.parametrize("error", [QueueRefused(), ObjectsRefused()])
def test_what_is_about_the_broker_is_an_outage(error: Exception) -> None:
    assert CallFailure.of(error, Queue.outages).about is About.TARGET


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "redis://redis.example/0"}, "use rediss://, or accept clear text"),
        ({"url": "amqp://0.0.0.0//"}, "use amqps://, or accept clear text"),
        ({"url": "rediss://localhost/0;redis://redis.example/0"}, "more than one broker"),
        ({"url": "rediss://redis.example/0?ssl_cert_reqs=none"}, "ssl_cert_reqs in the URL weakens TLS"),
        ({"url": "rediss://127.0.0.1/0?ssl_check_hostname=false"}, "ssl_check_hostname in the URL weakens TLS"),
        ({"url": "redis://127.0.0.1/0?ssl_cert_reqs=none"}, "ssl_cert_reqs in the URL weakens TLS"),
        ({"url": "amqps://rabbit.example//?transport=amqp"}, "can't have the parameter transport"),
        ({"url": "amqps://rabbit.example//", "transport_options": {"ssl": False}}, "ssl, host and context"),
        ({"url": "amqp://127.0.0.1//", "transport_options": {"host": "rabbit.example:5672"}}, "ssl, host and context"),
        ({"url": "sqs://KEY@", "transport_options": {"is_secure": False}}, "is_secure weakens TLS"),
        (
            {
                "url": "sqs://KEY@",
                "transport_options": {"predefined_queues": {"mail": {"url": "http://sqs.example/1"}}},
            },
            "predefined_queues.mail.url is clear text",
        ),
        ({"url": "sqs://KEY@sqs.example", "transport_options": {"is_secure": False}, "allow_clear": True}, "is_secure"),
    ],
)
def test_what_weakens_the_connection_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Queue.Settings(queue="mail", **options)


def test_the_url_names_files_and_kombu_gets_them_from_us() -> None:
    settings = Queue.Settings(
        url="rediss://redis.example/0?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required&heartbeat=5", queue="mail"
    )
    assert _with_password(settings) == "rediss://redis.example/0?heartbeat=5"
    tls = _tls(settings)
    assert isinstance(tls, dict)
    assert (tls["ssl_ca_certs"], tls["ssl_cert_reqs"], tls["ssl_check_hostname"]) == ("/ca.pem", "required", True)


def test_amazons_own_variables_name_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://sqs.example")
    settings = Queue.Settings(
        url="sqs://KEY@",
        queue="mail",
        transport_options={"client-config": {"connect_timeout": 5, "ignore_configured_endpoint_urls": False}},
    )
    given = _transport_options(settings)["client-config"]
    client = Session().create_client(
        "sqs", region_name="eu-west-2", config=Config(**given), aws_access_key_id="a", aws_secret_access_key="b"
    )
    assert client.meta.endpoint_url == "https://sqs.eu-west-2.amazonaws.com"
    client.close()
