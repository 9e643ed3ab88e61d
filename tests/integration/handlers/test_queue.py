"""`queue` against real Redis and SQS, and its settings. RabbitMQ has a module of its own."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from handlers.queue import Queue, QueueRefused, _with_password
from tests.rig.consumer import Consumer
from tests.rig.https import HttpsServer
from tests.rig.messages import UNPARSABLE, key_of, message_of, report
from tests.rig.moto import KEY_ID, REGION, SECRET, Moto
from tests.rig.redis import PASSWORD, Redis
from tests.rig.tls import ADDRESS, Authority
from worker import Reject, Retry
from worker.message.mime.limits import MessageError
from worker.objects import ObjectsRefused

Make = Callable[..., Queue]


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def make(redis: Redis) -> Iterator[Make]:
    with redis.client() as client:
        client.flushall()
    with ExitStack() as handlers:

        def make(**options: Any) -> Queue:
            given = {
                "url": redis.url,
                "password": SecretStr(PASSWORD),
                "queue": "mail",
                "timeout": timedelta(seconds=5),
            }
            handler = Queue(Queue.Settings(**{**given, **options}))
            handlers.callback(handler.close)
            return handler

        yield make


def taken(redis: Redis, queue: str = "mail") -> list[dict[str, Any]]:
    """Everything in a queue, as kombu puts it there, in order."""
    with redis.client() as client:
        found: Any = client.lrange(queue, 0, -1)
        client.delete(queue)
    return [json.loads(item) for item in reversed(found)]


def body_of(envelope: dict[str, Any]) -> bytes:
    assert envelope["properties"]["body_encoding"] == "base64"
    return base64.b64decode(envelope["body"])


def test_a_message_is_json_with_the_mail_in_it(redis: Redis, make: Make) -> None:
    message = report(3)
    make()(message)
    (envelope,) = taken(redis)
    told = json.loads(body_of(envelope))
    assert told["key"] == message.key == envelope["headers"]["key"] == envelope["properties"]["message_id"]
    assert base64.b64decode(told["raw"]) == message.raw
    assert told["attachments"][0]["filename"] == "report.pdf"
    assert envelope["content-type"] == "application/json"
    assert envelope["properties"]["delivery_mode"] == 2


def test_without_the_mail(redis: Redis, make: Make) -> None:
    make(raw=False)(report())
    told = json.loads(body_of(taken(redis)[0]))
    assert "raw" not in told
    assert "claim" not in told


def test_as_a_celery_task(redis: Redis, make: Make) -> None:
    message = report()
    make(task="mail.file")(message)
    (envelope,) = taken(redis)
    assert envelope["headers"]["task"] == "mail.file"
    assert envelope["headers"]["id"] == message.key
    (args, kwargs, _embedded) = json.loads(body_of(envelope))
    assert kwargs == {}
    assert args[0]["key"] == message.key


def test_a_large_message_is_left_in_the_store(redis: Redis, make: Make, moto: Moto) -> None:
    claim: dict[str, Any] = {
        "claim_check": f"s3://{moto.bucket}/large/",
        "claim_check_options": moto.options(),
        "claim_check_secret": SecretStr(SECRET),
    }
    small, large = report(1), report(2, text="a line of text\n" * 20_000)
    handler = make(**claim)
    for message in (small, large, large):
        handler(message)
    one, two, three = (json.loads(body_of(envelope)) for envelope in taken(redis))
    assert base64.b64decode(one["raw"]) == small.raw
    assert "raw" not in two
    assert two == three
    assert two["claim"] == f"s3://{moto.bucket}/large/{large.key}.eml"
    assert moto.objects(moto.bucket) == {f"large/{large.key}.eml": large.raw}


def test_without_a_store_nothing_is_queued_for_it(redis: Redis, make: Make, moto: Moto) -> None:
    large = report(2, text="a line of text\n" * 20_000)
    with pytest.raises(Reject):
        make()(large)
    claim: dict[str, Any] = {"claim_check_options": moto.options(), "claim_check_secret": SecretStr(SECRET)}
    with pytest.raises(ObjectsRefused):
        make(claim_check="s3://no-such-bucket/", **claim)(large)
    assert taken(redis) == []


def test_what_can_not_be_taken_apart(redis: Redis, make: Make) -> None:
    broken = message_of(UNPARSABLE)
    with pytest.raises(MessageError):
        make()(broken)
    make(attachments=False)(broken)
    assert json.loads(body_of(taken(redis)[0]))["attachments"] is None


def test_a_wrong_password_says_nothing(make: Make) -> None:
    with pytest.raises((Retry, QueueRefused)) as caught:
        make(password=SecretStr("Wrong-Gate-77"))(report())
    assert "Wrong-Gate" not in str(caught.value)
    assert caught.value.__context__ is None


def test_connections_are_used_again(redis: Redis, make: Make) -> None:
    handler = make()
    handler(report(1))
    with redis.client() as client:
        before = client.info("stats")["total_connections_received"]
        for number in range(20):
            handler(report(number))
        assert client.info("stats")["total_connections_received"] == before


def test_redis_killed_in_the_middle_loses_nothing() -> None:
    with Redis() as server:
        handler = Queue(
            Queue.Settings(url=server.url, password=SecretStr(PASSWORD), queue="mail", timeout=timedelta(seconds=5))
        )
        retries = 0

        def deliver(number: int) -> None:
            nonlocal retries
            for tries in range(3_000):
                if number in (60, 120) and tries == 0:
                    server.stop(abruptly=True)
                    server.start()
                try:
                    handler(report(number))
                except Retry:
                    retries += 1
                    time.sleep(0.01)
                else:
                    return
            raise AssertionError("never delivered")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(deliver, range(180)))
        handler.close()
        consumer = Consumer()
        for envelope in taken(server):
            consumer.take(body_of(envelope))
    assert set(consumer.kept) == {key_of(number) for number in range(180)}
    assert all(consumer.raw(key_of(number)) == report(number).raw for number in range(180))


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "option"])
def test_sqs_on_this_machine_goes_to_no_proxy(
    make: Make, moto: Moto, authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A proxy is another machine: it would be sent the mail, in clear text."""
    options: dict[str, Any] = {"region": REGION, "is_secure": False}
    with HttpsServer(authority, plain=True) as proxy:
        address = f"http://{ADDRESS}:{proxy.port}"
        if name == "option":
            options["client-config"] = {"proxies": {"http": address}}
        else:
            monkeypatch.setenv(name, address)
        url = f"sqs://{KEY_ID}@127.0.0.1:{moto.port}"
        handler = make(url=url, password=SecretStr(SECRET), queue="direct", transport_options=options)
        handler(report(5))
    assert proxy.connections == 0


@pytest.mark.parametrize("name", ["mail", "mail.fifo"])
def test_sqs(make: Make, moto: Moto, name: str) -> None:
    client = moto.client("sqs")
    attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    address = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    handler = make(
        url=f"sqs://{KEY_ID}@127.0.0.1:{moto.port}",
        password=SecretStr(SECRET),
        queue=name,
        transport_options={
            "region": REGION,
            "is_secure": False,
            "predefined_queues": {
                name: {"url": address, "region": REGION, "access_key_id": KEY_ID, "secret_access_key": SECRET}
            },
        },
    )
    message = report(5)
    handler(message)
    handler(message)
    found: list[Any] = []
    while more := client.receive_message(QueueUrl=address, MaxNumberOfMessages=10).get("Messages"):
        found += more
        for one in more:
            client.delete_message(QueueUrl=address, ReceiptHandle=one["ReceiptHandle"])
    consumer = Consumer()
    for one in found:
        text = one["Body"]
        envelope = json.loads(text if text.lstrip().startswith("{") else base64.b64decode(text))
        consumer.take(body_of(envelope))
    assert consumer.raw(message.key) == message.raw
    assert len(found) == (1 if name.endswith(".fifo") else 2)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "amqp://rabbit.example.org//"},
        {"url": "redis://redis.example.org/0"},
        {"url": "amqps://user:Some-Word-1@rabbit.example.org//"},
        {"url": "memory://"},
        {"url": "sqs://ID@sqs.example.org", "transport_options": {"is_secure": False}},
        {"url": "amqps://r.example.org//", "queue": ""},
        {"url": "amqps://r.example.org//", "exchange": "mail"},
        {"url": "amqps://r.example.org//", "claim_check": "file:///tmp"},
        {"url": "amqps://r.example.org//", "claim_check": "s3://b/", "claim_check_options": {"secret_access_key": "x"}},
        {"url": "amqps://r.example.org//", "claim_check": "s3://b/", "claim_check_options": {"endpoint": "http://h"}},
        {"url": "amqps://r.example.org//", "claim_check": "s3://b/", "claim_check_options": {"allow_http": "true"}},
        {"url": "amqps://r.example.org//", "claim_check_options": {"region": "x"}},
    ],
)
def test_settings_that_can_not_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Queue.Settings(**{"queue": "mail", **options})
    assert "Some-Word" not in str(caught.value)


@pytest.mark.parametrize("key", ["a+b/c==", "plain"])
def test_azure_takes_its_key_as_it_is(key: str) -> None:
    """Without a Service Bus to ask: kombu's own reading of what we give it has the policy, the key and the place."""
    from kombu.transport.azureservicebus import Transport

    settings = Queue.Settings(url="azureservicebus://sender@example", password=SecretStr(key), queue="mail")
    handler = Queue(settings)
    handler.close()
    found: Any = Transport.parse_uri(_with_password(settings))
    assert found == ("example.servicebus.windows.net", f"sender:{key}")


def test_an_unencrypted_way_can_be_accepted() -> None:
    Queue.Settings(url="amqp://rabbit.example.org//", queue="mail", allow_clear=True)
