"""`queue`: publishes each message to a queue of RabbitMQ, Redis, Amazon SQS or Azure Service Bus.

The payload is JSON: the fields of `message.json`, and the message itself as base64 in `raw`. A large message goes to an
object store first, and `claim` says where (a claim check). The key is in the AMQP property `message_id` and the header
`key`, so that consumers can drop duplicates. If a message is handled again, both are `KEY.1`, `KEY.2`, …, and the JSON
has `key`, which stays, and `redelivery`. With `task`, the payload is a Celery message that calls this task.

RabbitMQ confirms each message before this handler returns. A message that no queue accepts is an error.
"""

import base64
import importlib
import ssl
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from worker import Message, Reject, Retry, as_json, describe
from worker.connections import Proxy, Target, Unprotected, is_loopback, refuse_weakening, unweakened
from worker.objects import Objects, ObjectsRefused, checked

_SECURE = frozenset({"amqps", "rediss", "sqs", "azureservicebus"})
_CLEAR = frozenset({"amqp", "redis"})
_FILES = {"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile"}
_PARAMETERS = frozenset({*_FILES, "heartbeat", "login_method", "connect_timeout"})
_OURS = frozenset({"ssl", "host", "context"})  # options of AMQP's connection that lead elsewhere, or past TLS


class QueueRefused(Exception):
    """The broker refuses us: the queue is of another kind, or a privilege is missing, for instance."""


class Queue:
    """Publishes each message to a queue of RabbitMQ, Redis, Amazon SQS or Azure Service Bus.

    Each call publishes it once. Thread-safe.
    """

    outages = (QueueRefused, ObjectsRefused)
    real_effect = "puts the message into its queue, from which a consumer takes it"

    class Settings(BaseModel):
        """The table `[handler.queue]`."""

        model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

        url: str = Field(
            description="`amqps://user@host/vhost`, `rediss://host/0`, `sqs://KEY-ID@`, "
            "`azureservicebus://POLICY@NAMESPACE`. No password.",
            examples=["amqps://nhsmail@queue.trust.nhs.uk/results"],
        )
        password: SecretStr | None = Field(
            default=None, description="The password, Amazon's secret access key, or the shared access policy's key."
        )
        queue: str = Field(min_length=1, max_length=255, description="The queue's name.", examples=["results"])
        exchange: str = Field(default="", description="RabbitMQ's exchange, if there is one before the queue.")
        routing_key: str | None = Field(default=None, description="RabbitMQ's routing key. Unset: the queue's name.")
        declare_queue: bool = Field(
            default=True,
            description="Make the queue, durable, if it isn't there. Needs to be off with an exchange.",
        )
        queue_arguments: dict[str, str | int | bool] = Field(
            default_factory=dict, description='What the queue is made with, such as `"x-queue-type" = "quorum"`.'
        )
        transport_options: dict[str, Any] = Field(
            default_factory=dict, description="kombu's options for this kind of queue, such as `region` for SQS."
        )
        task: str | None = Field(default=None, description="The name of a Celery task to call with each message.")
        raw: bool = Field(default=True, description="Let the message itself go along, in `raw` or by `claim`.")
        attachments: bool = Field(
            default=True, description="List the attachments. Without them no message needs to be parsed."
        )
        largest: int = Field(
            default=100_000,
            ge=0,
            description="Messages over this size in bytes go to `claim_check`; without one they are rejected. SQS and "
            "Service Bus take 256 kB in all, RabbitMQ 16 MB.",
        )
        claim_check: str | None = Field(
            default=None, description="Where large messages go: `s3://…`, `az://…` or `gs://…`."
        )
        claim_check_options: dict[str, str] = Field(
            default_factory=dict, description="The store's options, such as `region`, `endpoint` and `access_key_id`."
        )
        claim_check_secret: SecretStr | None = Field(
            default=None, description="Its secret: S3's secret access key, Azure's account key, Google's key in JSON."
        )
        ca_file: Path | None = Field(default=None, description="A PEM file with a private CA, which alone is trusted.")
        client_certificate_file: Path | None = Field(default=None, description="A PEM file: the worker's certificate.")
        client_key_file: Path | None = Field(default=None, description="A PEM file with the key of that certificate.")
        allow_clear: bool = Field(
            default=False,
            description="Accept `amqp://` and `redis://` to another machine: password and mail go there in clear text "
            "then. `check` and the log say so.",
        )
        connections: int = Field(default=4, ge=1, le=100, description="Connections kept open, at most.")
        timeout: timedelta = Field(
            default=timedelta(seconds=30), gt=timedelta(0), description="How long to wait for each answer."
        )

        @field_validator("url")
        @classmethod
        def _is_known(cls, url: str) -> str:
            parts = urlsplit(url)
            if parts.scheme not in _SECURE | _CLEAR:
                raise ValueError("must begin with amqps://, rediss://, sqs:// or azureservicebus://")
            if parts.password is not None:
                raise ValueError("can't hold a password: give it as password_file")
            return url

        @model_validator(mode="after")
        def _fits(self) -> "Queue.Settings":
            parts = urlsplit(self.url)
            if ";" in self.url:
                raise ValueError("url: names more than one broker: give one")
            self._target.check(f"use {parts.scheme}s://")
            unweakened(parts.query, _PARAMETERS)
            if not _OURS.isdisjoint(self.transport_options):
                raise Unprotected("transport_options: ssl, host and context can't be set: the URL says where to")
            if not self._target.is_local:
                refuse_weakening(self.transport_options)
            if self.exchange and self.declare_queue:
                raise ValueError("exchange: bind the queue to it yourself, and set declare_queue = false")
            if self.claim_check is not None:
                checked(self.claim_check, self.claim_check_options)
            elif self.claim_check_options or self.claim_check_secret is not None:
                raise ValueError("claim_check: is missing, but its options aren't")
            return self

        @property
        def sends_clear(self) -> bool:
            """Whether password and mail go to another machine in clear text."""
            return self._target.is_clear

        @property
        def _target(self) -> Target:
            target = Target.of(self.url, encrypted=_SECURE, allow_clear=self.allow_clear)
            # SQS without a host means Amazon.
            return target if target.host or target.scheme in _CLEAR else Target(target.scheme, "?", encrypted=True)

    def __init__(self, settings: Settings, *, proxy: Proxy | None = None) -> None:
        """Connects with the first message, not here. Raises ImportError, ValueError."""
        kombu = _kombu()
        self._settings = settings
        self._url = _with_password(settings)
        self._options = _transport_options(settings)
        self._tls = _tls(settings)
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        self._closed = False
        self._store = _store(settings, proxy)
        # raises ImportError if the transport's library isn't installed
        _ = kombu.Connection(self._url, ssl=self._tls, transport_options=self._options).transport_cls

    def __call__(self, message: Message) -> None:
        """Publish the message. When this returns, the broker has it.

        Raises:
            Retry: the broker can't be reached, or didn't confirm. Reject: too large, and there is no claim check.
            QueueRefused, ObjectsRefused: the far end isn't set up for this. Another try may succeed.
            MessageError: the attachments can't be listed (only with `attachments`).
        """
        payload = self._payload(message)
        key = message.delivery_key
        body, headers = _as_task(self._settings.task, key, payload) if self._settings.task else (payload, {})
        connection = self._take()
        # An idle connection may be dead without our knowing: then try again at once with a new one. If the first did
        # deliver the message, the consumer recognises the duplicate by its key.
        trouble = self._publish(connection, key, body, headers) if connection is not None else None
        if connection is None or isinstance(trouble, Retry):
            trouble = self._publish(self._fresh(), key, body, headers)
        if trouble is not None:
            raise trouble  # here, so that the library's own error isn't its context

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for connection in idle:
            _close(connection)

    # -- the payload

    def _payload(self, message: Message) -> dict[str, Any]:
        told = describe(message, attachments=self._settings.attachments)
        if not self._settings.raw:
            return told
        if message.size <= self._settings.largest:
            return told | {"raw": base64.b64encode(message.raw).decode()}
        if self._store is None or self._settings.claim_check is None:
            raise Reject("the message is over largest, and there is no claim_check")
        name = f"{message.delivery_key}.eml"
        self._store.put(name, message.raw)
        return told | {"claim": f"{self._settings.claim_check.rstrip('/')}/{name}"}

    # -- the broker

    def _take(self) -> Any:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: Any) -> None:
        with self._lock:
            if len(self._idle) < self._settings.connections and not self._closed:
                self._idle.append(connection)
                return
        _close(connection)

    def _fresh(self) -> Any:
        return _kombu().Connection(
            self._url,
            ssl=self._tls,
            connect_timeout=self._settings.timeout.total_seconds(),
            transport_options=self._options,
        )

    def _publish(self, connection: Any, key: str, body: Any, headers: Mapping[str, Any]) -> Exception | None:
        """Publish, and give up the connection. None if the broker has the message, otherwise the error to raise."""
        try:
            self._send(connection, key, body, headers)
        except Exception as error:  # noqa: BLE001 -- each transport has its own errors, and none may quote the message
            _close(connection)
            return _meaning(error, connection)
        self._give_back(connection)
        return None

    def _send(self, connection: Any, key: str, body: Any, headers: Mapping[str, Any]) -> None:
        kombu, settings = _kombu(), self._settings
        seconds = settings.timeout.total_seconds()
        connection.ensure_connection(max_retries=1, timeout=seconds)
        channel = connection.default_channel
        queue = kombu.Queue(settings.queue, durable=True, queue_arguments=settings.queue_arguments or None)
        if settings.declare_queue:
            queue(channel).declare()
        kombu.Producer(channel).publish(
            as_json(body),
            exchange=settings.exchange,
            routing_key=settings.routing_key or settings.queue,
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            mandatory=True,  # a message that no queue accepts is returned
            timeout=seconds,
            confirm_timeout=seconds,
            headers={"key": key, **headers},
            message_id=key,
            correlation_id=key,
            **_fifo(settings.queue, key),
        )


def _kombu() -> Any:
    return importlib.import_module("kombu")  # it ships no types


def _with_password(settings: Queue.Settings) -> str:
    """The URL for kombu: with the password, and without parameters of TLS, which kombu would prefer to `_tls`."""
    parts = urlsplit(settings.url)
    kept = {name: value for name, value in unweakened(parts.query, _PARAMETERS).items() if name not in _FILES}
    parts = parts._replace(query=urlencode(kept))
    if settings.password is None:
        return urlunsplit(parts)
    user, at, host = parts.netloc.rpartition("@")
    password = settings.password.get_secret_value()
    if parts.scheme != "azureservicebus":  # kombu takes its keys unquoted
        password = quote(password, safe="")
    return urlunsplit(parts._replace(netloc=f"{user if at else ''}:{password}@{host}"))


def _transport_options(settings: Queue.Settings) -> dict[str, Any]:
    seconds, own = settings.timeout.total_seconds(), settings.transport_options
    scheme = urlsplit(settings.url).scheme
    if scheme in ("amqp", "amqps"):
        ours: dict[str, Any] = {"confirm_publish": True, "read_timeout": seconds, "write_timeout": seconds}
    elif scheme in ("redis", "rediss"):
        ours = {"socket_timeout": seconds, "socket_connect_timeout": seconds, "socket_keepalive": True}
    else:
        # Or else the environment could name a server of clear text, or a proxy for one on this machine.
        direct: dict[str, Any] = {"proxies": {}} if is_loopback(urlsplit(settings.url).hostname or "") else {}
        config = {**own.get("client-config", {}), **direct, "ignore_configured_endpoint_urls": True}
        return {"is_secure": True, **own, **({"client-config": config} if scheme == "sqs" else {})}
    return {**own, **ours}


def _tls(settings: Queue.Settings) -> dict[str, Any] | bool:
    """Options for TLS that verifies the certificate and the host name, as each transport spells them."""
    parts = urlsplit(settings.url)
    files = {
        "ca_certs": settings.ca_file,
        "certfile": settings.client_certificate_file,
        "keyfile": settings.client_key_file,
    }
    named = {_FILES[name]: path for name, path in unweakened(parts.query, _PARAMETERS).items() if name in _FILES}
    named |= {name: str(path) for name, path in files.items() if path is not None}
    least = ssl.TLSVersion.TLSv1_2
    if parts.scheme == "amqps":
        ours = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname, "tls_minimum_version": least}
        return {**named, **ours}
    if parts.scheme == "rediss":
        options = {f"ssl_{name}": path for name, path in named.items()}
        return {**options, "ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_min_version": least}
    return False


def _store(settings: Queue.Settings, proxy: Proxy | None) -> Objects | None:
    if settings.claim_check is None:
        return None
    url, options, secret = settings.claim_check, settings.claim_check_options, settings.claim_check_secret
    key = secret.get_secret_value() if secret else None
    return Objects(url, options, key, timeout=settings.timeout, ca_file=settings.ca_file, proxy=proxy)


def _as_task(task: str, key: str, payload: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Body and headers that call a Celery task (message protocol 2). The key is the call's id."""
    body = [[payload], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    return body, {"lang": "py", "task": task, "id": key, "root_id": key, "parent_id": None, "group": None}


def _fifo(queue: str, key: str) -> dict[str, str]:
    """For SQS FIFO queues, which drop duplicates themselves for five minutes."""
    group = key.partition(".")[0]  # the same for a message that is handled again, so that its order holds
    return {"MessageGroupId": group, "MessageDeduplicationId": key} if queue.endswith(".fifo") else {}


def _close(connection: Any) -> None:
    try:
        connection.release()
    except Exception:  # noqa: BLE001 -- the connection is given up anyway
        connection.collect()


def _meaning(error: Exception, connection: Any) -> Exception:
    """What a transport's error means for the message, judged by its class."""
    from kombu.exceptions import OperationalError

    said = type(error).__name__
    known = (OperationalError, OSError, TimeoutError, *connection.recoverable_connection_errors)
    if isinstance(error, known) or said in _PASSING:
        return Retry(f"the queue can't take it now: {said}")
    return QueueRefused(f"the queue doesn't take it: {said}")


_PASSING = {"ConnectionForced", "ResourceError", "ResourceLocked", "InternalError", "EndpointConnectionError"}
"""Temporary errors, by the class names that the transports use."""
