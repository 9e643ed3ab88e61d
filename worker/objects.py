"""Objects in S3, Azure Blob Storage or Google Cloud Storage by URL, for handlers that store messages there.

A put is atomic, and durable once it returns: all three stores guarantee that. The text of a store's error is never
passed on, because it may contain the object's name, which may be the name of a file.
"""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from worker.message.outcome import Retry

SCHEMES = ("s3", "az", "gs")
_SECRETS = {"s3": "secret_access_key", "az": "account_key", "gs": "service_account_key"}
_SECRET_OPTIONS = ("secret", "password", "token", "account_key", "access_key", "sas", "service_account_key")


class ObjectsRefused(Exception):
    """The store refuses the request: a wrong key, a missing permission or a missing bucket."""


def checked(url: str, options: Mapping[str, str]) -> str:
    """Return the URL if it and its options are valid.

    Raises:
        ValueError: says what is wrong in plain words, without quoting a value.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be s3://bucket/folder, az://container/folder or gs://bucket/folder")
    if "@" in parts.netloc:
        raise ValueError("can't hold a user or a password: give them as settings of their own")
    for name, value in options.items():
        plain = name.lower()
        if any(word in plain for word in _SECRET_OPTIONS) and not plain.endswith(("_id", "_path", "_file")):
            raise ValueError("the options can't hold a secret: give it as the secret's own setting")
        if plain.startswith("allow_") or (plain.endswith("endpoint") and not _is_safe(value)):
            raise ValueError("an endpoint begins with https:// (http:// only on this machine)")
    return url


def _is_safe(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


class Objects:
    """One folder of one store. Thread-safe."""

    def __init__(
        self,
        url: str,
        options: Mapping[str, str],
        secret: str | None,
        *,
        timeout: timedelta,
        ca_file: Path | None = None,
    ) -> None:
        """Set up the client; nothing is sent yet.

        options: the store's own (`region`, `endpoint`, `account_name`, `access_key_id`, …). Without a secret, the
        store's default credentials are used: its environment variables, the machine's identity.

        Raises:
            ValueError: the store doesn't know an option. ImportError: the extra `objects` isn't installed.
        """
        import obstore.exceptions
        import obstore.store

        self._errors = obstore.exceptions
        config: dict[str, Any] = dict(options)
        scheme = urlsplit(url).scheme
        if secret is not None:
            config[_SECRETS[scheme]] = secret
        open_store: Any = obstore.store.from_url  # its types require the options of each store by name
        client: dict[str, Any] = {"timeout": timeout, "connect_timeout": min(timeout, timedelta(seconds=10))}
        client["allow_http"] = any(value.startswith("http://") for value in options.values())
        if ca_file is not None:
            client["root_certificate"] = ca_file.read_bytes()
        try:
            self._store: Any = open_store(
                url,
                config=config,
                client_options=client,
                # few retries, because the worker tries a failed message again later
                retry_config={"max_retries": 2, "retry_timeout": timeout},
            )
        except obstore.exceptions.BaseError as error:
            trouble = ValueError(f"the store can't be set up: {type(error).__name__}: check the URL and the options")
        else:
            return
        raise trouble

    def put(self, name: str, data: bytes) -> None:
        """Write an object, replacing any of the same name. Raises Retry, ObjectsRefused."""
        import obstore

        self._do(lambda: obstore.put(self._store, name, data, use_multipart=len(data) > _ONE_REQUEST))

    def has(self, name: str) -> bool:
        """Whether an object of this name exists. Raises Retry, ObjectsRefused."""
        import obstore

        try:
            self._do(lambda: obstore.head(self._store, name))
        except _Absent:
            return False
        return True

    def _do(self, work: Any) -> None:
        trouble: Exception
        try:
            work()
        except (FileNotFoundError, self._errors.NotFoundError):
            trouble = _Absent("the bucket or container isn't there")
        except (
            self._errors.PermissionDeniedError,
            self._errors.UnauthenticatedError,
            self._errors.InvalidPathError,
            self._errors.NotSupportedError,
        ) as error:
            trouble = ObjectsRefused(f"the store refuses it: {type(error).__name__}")
        except (self._errors.BaseError, OSError) as error:
            trouble = Retry(f"the store can't take it now: {type(error).__name__}")
        else:
            return
        raise trouble  # outside the except block, so that the store's error isn't its context


class _Absent(ObjectsRefused):
    """The object, bucket or container doesn't exist."""


_ONE_REQUEST = 64 * 1024 * 1024
"""The most bytes sent in one request. A failed multipart upload would leave parts behind that need clearing up."""
