"""Objects in S3, Azure Blob Storage or Google Cloud Storage by URL, for handlers that store messages there.

A put is atomic, and durable once it returns: all three stores guarantee that. The text of a store's error is never
passed on, because it may contain the object's name, which may be the name of a file.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from worker.connections import Proxy, refuse_weakening
from worker.message.outcome import Retry

SCHEMES = ("s3", "az", "gs")
_SECRETS = {"s3": "secret_access_key", "az": "account_key", "gs": "service_account_key"}
_SECRET_OPTIONS = ("secret", "password", "token", "account_key", "access_key", "sas", "service_account_key")


class ObjectsRefused(Exception):
    """The store refuses the request: a wrong key, a missing permission or a missing bucket."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it. modified: when it was written, by the store's clock."""

    name: str
    modified: datetime


def checked(url: str, options: Mapping[str, str]) -> str:
    """Return the URL if it and its options are valid.

    Raises:
        ValueError: says what is wrong in plain words, without quoting a value. Unprotected, which is one: an option
        would send something in clear text, or to a server that isn't verified.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be s3://bucket/folder, az://container/folder or gs://bucket/folder")
    if "@" in parts.netloc:
        raise ValueError("can't hold a user or a password: give them as separate settings")
    for name, value in options.items():
        plain = name.lower()
        if any(word in plain for word in _SECRET_OPTIONS) and not plain.endswith(("_id", "_path", "_file")):
            raise ValueError("the options can't hold a secret: give it as the secret's own setting")
        if plain.endswith("endpoint") and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("an endpoint begins with https:// (http:// only on this machine)")
    refuse_weakening(options)
    return url


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
        proxy: Proxy | None = None,
    ) -> None:
        """Set up the client; nothing is sent yet.

        options: the store's own (`region`, `endpoint`, `account_name`, `access_key_id`, …). Without a secret, the
        store's default credentials are used: its environment variables, the machine's identity. proxy: the way to the
        store; None: as the environment says.

        Raises:
            ValueError: the store doesn't know an option, `checked` refuses one, or the proxy speaks SOCKS.
            ImportError: the extra `objects` isn't installed.
        """
        import obstore.exceptions
        import obstore.store

        self._errors = obstore.exceptions
        config: dict[str, Any] = dict(options)
        checked(url, options)
        scheme = urlsplit(url).scheme
        self._way = ""
        if secret is not None:
            config[_SECRETS[scheme]] = secret
        open_store: Any = obstore.store.from_url  # its types require the options of each store by name
        client: dict[str, Any] = {"timeout": timeout, "connect_timeout": min(timeout, timedelta(seconds=10))}
        # On this machine alone: `checked` has seen to it. The environment's own options of this kind don't count then.
        client["allow_http"] = any(
            value.strip().lower().startswith("http://") for name, value in options.items() if "prox" not in name.lower()
        )
        if client["allow_http"]:
            # A proxy, also one that the environment names, would carry the mail elsewhere. This asks for none at all.
            config = _without_proxies(config)
            client |= _NO_PROXY
        elif proxy is not None:
            config = _without_proxies(config)
            client |= (found := _by_proxy(proxy, options))
            self._way = "" if found is _NO_PROXY else f" through the proxy {proxy.shown}"
        client["allow_invalid_certificates"] = False
        if scheme == "az":
            config["azure_storage_use_emulator"] = "false"  # the environment could name any server as the emulator
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

    def get(self, name: str) -> bytes:
        """Read an object. Raises Retry, ObjectsRefused, also if there is none of this name."""
        import obstore

        read: list[bytes] = []
        self._do(lambda: read.append(bytes(obstore.get(self._store, name).bytes())))
        return read[0]

    def has(self, name: str) -> bool:
        """Whether an object of this name exists. Raises Retry, ObjectsRefused."""
        import obstore

        try:
            self._do(lambda: obstore.head(self._store, name))
        except _Absent:
            return False
        return True

    def listed(self, prefix: str | None = None, *, after: str | None = None) -> Iterator[Listed]:
        """The objects of the folder in the order of their names, fetched a page at a time.

        prefix: only those below this name. after: only those whose names come after it; Azure's store reads all the
        others nevertheless. Raises Retry, ObjectsRefused, while they are fetched.
        """
        import obstore

        pages: Any = None
        while True:
            page: list[Any] = []

            def fetch(page: list[Any] = page) -> None:
                nonlocal pages
                if pages is None:
                    pages = obstore.list(self._store, prefix, offset=after, chunk_size=_PAGE)
                page.extend(next(pages, ()))

            self._do(fetch)
            if not page:
                return
            yield from (Listed(one["path"], one["last_modified"]) for one in page)

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects, many in one request where the store can. Those that aren't there don't matter.

        Raises Retry, ObjectsRefused. Then some of them may be gone, and others not.
        """
        import obstore

        try:
            self._do(lambda: obstore.delete(self._store, [*names]))
        except _Absent:
            for name in names if len(names) > 1 else ():
                with suppress(_Absent):
                    self._do(lambda name=name: obstore.delete(self._store, name))

    def keeps_versions(self, name: str) -> bool:
        """Whether the store keeps earlier versions of an object. Raises Retry, ObjectsRefused."""
        import obstore

        found: list[Any] = []
        self._do(lambda: found.append(obstore.head(self._store, name)))
        return found[0].get("version") not in (None, "null")

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
            trouble = Retry(f"the store can't accept it now{self._way}: {type(error).__name__}")
        else:
            return
        raise trouble  # outside the except block, so that the store's error isn't its context


def _without_proxies(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if "prox" not in name.lower()}


def _by_proxy(proxy: Proxy, options: Mapping[str, str]) -> dict[str, Any]:
    """The client's options that lead it through the proxy, or past it.

    The store's own hosts are known only to its client: there, of `no_proxy`, the entries with a port don't count.

    Raises:
        ValueError: it speaks SOCKS, which the client doesn't.
    """
    endpoint = next((value for name, value in options.items() if name.lower().endswith("endpoint")), None)
    parts = urlsplit(endpoint or "")
    if endpoint is not None and proxy.passes_by(parts.hostname or "", parts.port or _HTTPS):
        return _NO_PROXY
    if not proxy.is_http:
        raise ValueError(
            "object stores can't be reached through a SOCKS proxy. Name an http:// or https:// proxy in [proxy] "
            "url. Or name the store's host in [proxy] no_proxy, with its own endpoint"
        )
    # Also with an endpoint: the machine's identity, where credentials come from, is a server of its own.
    found = {"proxy_url": proxy.url_with_credentials, "proxy_excludes": ",".join(proxy.no_proxy.for_any_port)}
    if proxy.ca_file is not None:
        found["proxy_ca_certificate"] = proxy.ca_file.read_text()
    return found


_NO_PROXY = {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": "*,0.0.0.0/0,::/0"}
"""Options that ask for no proxy at all, whatever the environment says."""
_HTTPS = 443


class _Absent(ObjectsRefused):
    """The object, bucket or container doesn't exist."""


_PAGE = 1000
"""Objects fetched at a time: as many as the stores give in one answer."""
_ONE_REQUEST = 64 * 1024 * 1024
"""The most bytes sent in one request. A failed multipart upload would leave parts behind that need clearing up."""
