"""httpx through a proxy: every connection is opened by a `Dialer`, and TLS to the server is put on top of it."""

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import httpcore
import httpx

from worker.connections.dialer import Dialer

_IDLE: Final = 5.0
"""Seconds that a connection is kept for the next request, as by httpx. By then a firewall may have forgotten it."""
_UNLIMITED: Final = 600.0
"""Seconds that stand for "no time limit" of httpx, where a limit is needed."""


class ProxiedTransport(httpx.BaseTransport):
    """A transport for `httpx.Client` whose connections a `Dialer` opens."""

    def __init__(self, dialer: Dialer, context: ssl.SSLContext) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, keepalive_expiry=_IDLE, network_backend=_Backend(dialer)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx says."""
        with _as_httpx(request):
            answer = self._pool.handle_request(_asked(request))
        assert isinstance(answer.stream, Iterable)  # noqa: S101 -- of a pool that isn't asynchronous
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer, request), extensions=answer.extensions
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class AsyncProxiedTransport(httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient` whose connections a `Dialer` opens, each in a thread for so long."""

    def __init__(self, dialer: Dialer, context: ssl.SSLContext, connections: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=connections,
            keepalive_expiry=_IDLE,
            network_backend=_AsyncBackend(dialer),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx says."""
        with _as_httpx(request):
            answer = await self._pool.handle_async_request(_asked(request))
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_AsyncBody(answer, request), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


def _asked(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """Turn httpcore's errors into those of httpx, which have the same names."""
    try:
        yield
    except Exception as error:
        kind = next((_ERRORS[one] for one in type(error).__mro__ if one in _ERRORS), None)
        if kind is None:
            raise
        raise kind(str(error), request=request) from error


_ERRORS: Final[dict[type, type[httpx.TransportError]]] = {
    getattr(httpcore, name): getattr(httpx, name)
    for name in (
        *("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "ConnectError", "ReadError", "WriteError"),
        *("TimeoutException", "NetworkError", "LocalProtocolError", "RemoteProtocolError", "ProtocolError"),
        *("ProxyError", "UnsupportedProtocol"),
    )
}


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx(self._request):
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any) -> "_Stream":
        with _in_time(httpcore.ConnectTimeout, httpcore.ConnectError):
            return _Stream(self._dialer.connect(host, port, timeout or _UNLIMITED))


class _Stream(httpcore.NetworkStream):
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _in_time(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(timeout)
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _in_time(httpcore.WriteTimeout, httpcore.WriteError):
            self._socket.settimeout(timeout)
            self._socket.sendall(buffer)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        with _in_time(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._socket.settimeout(timeout)
                return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        if info == "is_readable":  # an idle connection on which something arrives has been ended
            ready = select.poll()
            ready.register(self._socket, select.POLLIN)
            return bool(ready.poll(0))
        return None


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> "_AsyncStream":
        connecting = asyncio.ensure_future(asyncio.to_thread(self._dialer.connect, host, port, timeout or _UNLIMITED))
        try:
            with _in_time(httpcore.ConnectTimeout, httpcore.ConnectError):
                return _AsyncStream(await asyncio.shield(connecting))
        except asyncio.CancelledError:
            connecting.add_done_callback(_close_late)
            raise

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _close_late(connecting: "asyncio.Future[socket.socket]") -> None:
    """Close a connection that came after nobody waited for it any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


class _AsyncStream(httpcore.AsyncNetworkStream):
    """Opened for asyncio at its first use: with TLS or, to this machine alone, without."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        async with _in_async_time(timeout, httpcore.ReadTimeout, httpcore.ReadError):
            reader, _ = await self._opened()
            return await reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        async with _in_async_time(timeout, httpcore.WriteTimeout, httpcore.WriteError):
            _, writer = await self._opened()
            writer.write(buffer)
            await writer.drain()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_AsyncStream":
        try:
            async with _in_async_time(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
                await self._opened(ssl=ssl_context, server_hostname=server_hostname)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def aclose(self) -> None:
        if self._streams is None:
            self._socket.close()
        else:
            # At once: what was to be said by HTTP has been said, and the loop may be stopped before TLS says goodbye.
            self._streams[1].transport.abort()
            await asyncio.sleep(0)

    def get_extra_info(self, info: str) -> Any:
        if self._streams is None:
            return None
        reader, writer = self._streams
        return reader.at_eof() if info == "is_readable" else writer.get_extra_info(info)

    async def _opened(self, **tls: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(sock=self._socket, **tls)
        return self._streams


@contextmanager
def _in_time(late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error


@asynccontextmanager
async def _in_async_time(seconds: float | None, late: type[Exception], failed: type[Exception]) -> AsyncIterator[None]:
    with _in_time(late, failed):
        async with asyncio.timeout(seconds):
            yield
