"""`queue` against a real RabbitMQ: confirms, TLS, what comes back, and a broker killed in the middle."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from handlers.queue import Queue, QueueRefused
from tests.rig.consumer import Consumer
from tests.rig.messages import key_of, report
from tests.rig.rabbitmq import PASSWORD, RabbitMQ
from tests.rig.tls import Authority
from worker import Retry

pytestmark = pytest.mark.slow  # the broker takes five to ten seconds to start


@pytest.fixture(scope="module")
def broker(authority: Authority) -> Iterator[RabbitMQ]:
    with RabbitMQ(authority.issue()) as server:
        yield server


@pytest.fixture(params=["classic", "quorum"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def handler(server: RabbitMQ, queue: str, **options: Any) -> Queue:
    given = {"url": server.url, "password": SecretStr(PASSWORD), "queue": queue, "timeout": timedelta(seconds=20)}
    return Queue(Queue.Settings(**{**given, **options}))


def taken(server: RabbitMQ, queue: str) -> list[Any]:
    """Every message of a queue, acknowledged."""
    found = []
    with closing(server.client()) as connection:
        channel = connection.channel()
        while (message := channel.basic_get(queue, no_ack=False)) is not None:
            found.append(message)
            channel.basic_ack(message.delivery_tag)
    return found


def body_of(message: Any) -> bytes:
    body = message.body
    return body.encode() if isinstance(body, str) else bytes(body)


def test_a_message_is_durable_and_carries_its_key(broker: RabbitMQ, kind: str) -> None:
    message = report(3)
    with closing(handler(broker, f"plain-{kind}", queue_arguments={"x-queue-type": kind})) as publish:
        publish(message)
        publish(message)
    one, two = taken(broker, f"plain-{kind}")
    assert body_of(one) == body_of(two)
    assert one.properties["message_id"] == message.key
    assert one.properties["delivery_mode"] == 2
    assert one.properties["content_type"] == "application/json"
    assert one.headers["key"] == message.key
    assert base64.b64decode(json.loads(body_of(one))["raw"]) == message.raw


def test_tls_with_a_private_authority(broker: RabbitMQ, authority: Authority, tmp_path: Path) -> None:
    with closing(handler(broker, "secure", url=broker.tls_url, ca_file=authority.ca_file)) as publish:
        publish(report())
    assert len(taken(broker, "secure")) == 1
    stranger = Authority(tmp_path / "stranger")
    with (
        closing(handler(broker, "secure", url=broker.tls_url, ca_file=stranger.ca_file)) as publish,
        pytest.raises((Retry, QueueRefused)),
    ):
        publish(report())
    with closing(handler(broker, "secure", url=broker.tls_url)) as publish, pytest.raises((Retry, QueueRefused)):
        publish(report())
    assert taken(broker, "secure") == []


def test_a_message_that_no_queue_takes_comes_back(broker: RabbitMQ) -> None:
    with closing(handler(broker, "nobody", declare_queue=False)) as publish, pytest.raises(QueueRefused):
        publish(report())
    with (
        closing(handler(broker, "nobody", declare_queue=False, exchange="amq.topic", routing_key="a.b")) as publish,
        pytest.raises(QueueRefused),
    ):
        publish(report())


def test_an_exchange_of_ones_own(broker: RabbitMQ) -> None:
    with closing(broker.client()) as connection:
        channel = connection.channel()
        channel.queue_declare("bound", durable=True, auto_delete=False)
        channel.queue_bind("bound", "amq.topic", "mail.#")
    options = {"declare_queue": False, "exchange": "amq.topic", "routing_key": "mail.pathology"}
    with closing(handler(broker, "unused", **options)) as publish:
        publish(report())
    assert len(taken(broker, "bound")) == 1


def test_a_queue_of_another_kind_is_a_fault_of_ours(broker: RabbitMQ) -> None:
    with closing(handler(broker, "kinds", queue_arguments={"x-queue-type": "classic"})) as publish:
        publish(report())
    with closing(handler(broker, "kinds", queue_arguments={"x-queue-type": "quorum"})) as publish:
        with pytest.raises(QueueRefused) as caught:
            publish(report())
        assert caught.value.__context__ is None
    assert len(taken(broker, "kinds")) == 1


def test_a_full_queue_that_refuses_is_no_success(broker: RabbitMQ) -> None:
    arguments: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
    with closing(handler(broker, "full", queue_arguments=arguments)) as publish:
        publish(report(1))
        with pytest.raises(Retry):
            publish(report(2))
        assert len(taken(broker, "full")) == 1
        publish(report(2))
    assert len(taken(broker, "full")) == 1


def test_a_wrong_password_says_nothing(broker: RabbitMQ) -> None:
    with (
        closing(handler(broker, "q", password=SecretStr("Wrong-Gate-77"))) as publish,
        pytest.raises((Retry, QueueRefused)) as caught,
    ):
        publish(report())
    assert "Wrong-Gate" not in str(caught.value)


def test_silence_has_a_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"amqp://worker@127.0.0.1:{deaf.getsockname()[1]}//"
        options: dict[str, Any] = {
            "url": url,
            "password": SecretStr(PASSWORD),
            "queue": "q",
            "timeout": timedelta(seconds=0.5),
        }
        with closing(Queue(Queue.Settings(**options))) as publish:
            started = time.monotonic()
            with pytest.raises(Retry):
                publish(report())
            assert time.monotonic() - started < 30  # without a limit it would wait for ever


@pytest.mark.timeout(300)
def test_the_broker_killed_in_the_middle_loses_nothing(kind: str) -> None:
    """What was confirmed is there after the restarts; the consumer drops what came twice.

    The classic queue's broker is killed. The quorum queue's is stopped in order: killed while it is written to, a lone
    RabbitMQ 4.0.5 confirms nothing more to that queue, and the handler then goes on asking for another try, rightly.
    """
    numbers, abruptly = range(120), kind == "classic"
    with RabbitMQ() as server:
        publish = handler(server, "mail", queue_arguments={"x-queue-type": kind})

        def deliver(number: int) -> None:
            for tries in range(3_000):
                if number == 60 and tries == 0:
                    server.stop(abruptly=abruptly)
                    with pytest.raises(Retry):
                        publish(report(number))
                    server.start()
                try:
                    publish(report(number))
                except Retry:
                    time.sleep(0.05)
                else:
                    return
            raise AssertionError("never delivered")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(deliver, numbers))
        publish.close()
        server.stop(abruptly=abruptly)
        server.start()
        consumer = Consumer()
        for message in taken(server, "mail"):
            consumer.take(body_of(message))
    assert set(consumer.kept) == {key_of(number) for number in numbers}
    assert all(consumer.raw(key_of(number)) == report(number).raw for number in numbers)
