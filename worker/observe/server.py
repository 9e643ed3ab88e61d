"""Serves probes, metrics and the status page on one port, in threads of its own."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import waitress  # type: ignore[import-untyped]  # it comes without types
from waitress import wasyncore

from worker.logs.log import get_logger
from worker.observe.access import Token, check_access
from worker.observe.application import Application
from worker.observe.counts import Counts
from worker.observe.health import Health
from worker.observe.last_known import LastKnown
from worker.observe.view import StatusSource

log = get_logger()

THREADS = 4
PATIENCE = 10.0
MOST_CONNECTIONS = 50


class Server:
    """Serves an application on one address, in a thread of its own with a few more for requests.

    patience: s that a connection may last while none of its requests is being worked on, even if it keeps sending or
    reading: slow or hostile clients must not keep the container engine's probes out. most: connections at a time; one
    more closes the oldest that waits for its client.

    Raises (on creation):
        UnsafeAddress: the address is beyond loopback and there is no token, or it is too short.
        OSError: the address can't be listened on, or the token's file can't be read.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        status: StatusSource,
        account: str,
        health: Health,
        metrics: Counts,
        token: Token | None = None,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
        most: int = MOST_CONNECTIONS,
    ) -> None:
        check_access(host, token)
        application = Application(
            status=LastKnown(status, account=account, clock=clock), health=health, metrics=metrics, token=token
        )
        self._patience = patience
        self._most = most
        self._since: dict[Any, float] = {}
        self._map: dict[int, Any] = {}
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._server = waitress.create_server(
            application,
            map=self._map,
            sockets=[self._socket],
            threads=THREADS,
            connection_limit=4 * most,  # beyond it waitress lets nobody in; our own limit is reached long before
            max_request_header_size=16 * 1024,
            max_request_body_size=1024,
            asyncore_use_poll=True,
            ident=None,
        )
        self._stopping = threading.Event()
        self._ending = threading.Lock()
        self._loop_is_over = False
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        log.info("http.listening", host=self.host, port=self.port)

    def stop(self, timeout: float = 2.0) -> None:
        """Stop answering; returns when the port is free again, or after `timeout` seconds."""
        if self._thread.is_alive():
            with self._ending:  # or the loop could close the trigger just before it is pulled
                self._stopping.set()
                if not self._loop_is_over:
                    self._server.pull_trigger()
            self._thread.join(timeout)
        else:
            self._close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=min(1.0, self._patience), map=self._map, use_poll=True, count=1)
            self._send_away()
        with self._ending:
            self._loop_is_over = True
        self._close()

    def _send_away(self) -> None:
        """Close the connections that have lasted too long, and the oldest ones if there are too many."""
        now = time.monotonic()
        channels = list(self._server.active_channels.values())
        self._since = {channel: self._since.get(channel, now) for channel in channels}  # oldest first
        waiting = [channel for channel in channels if not channel.requests]
        too_many = len(channels) - self._most + 1
        for place, channel in enumerate(waiting):
            if place < too_many or now - self._since[channel] > self._patience:
                channel.handle_close()

    def _close(self) -> None:
        # Called in the loop's own thread: a loop that waits on a socket fails if another thread closes it.
        self._server.task_dispatcher.shutdown(timeout=1)
        self._server.close()
        wasyncore.close_all(self._map, ignore_all=True)
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(64)
    except OSError:
        listening.close()
        raise
    return listening
