"""A link between two machines: a TCP relay with a one-way delay and a rate, each way. TLS passes through unread.

    with Link(("localhost", 993), Line(round_trip=0.03, rate=200e6)) as link:
        ...                                     # connect to localhost and link.port

It runs as a process of its own, because a client in the same one would slow it down. Bytes are in flight side by side,
as on a line: each leaves when the ones before it have left, and arrives half a round trip later. All connections share
the line's rate. Like a TCP sender's window, at most `window` bytes of a connection's direction are unacknowledged. The
window is always open: there is no slow start, and nothing gets lost on the way.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from typing import Self

from bench.process import ROOT, environment
from tests.rig.ports import free_port
from tests.rig.tls import ADDRESS, HOST

_AT_ONCE = 65_536  # bytes: 2.6 ms at 200 Mbit/s
_KERNEL_BUFFER = 262_144  # bytes; without a limit the kernel would take megabytes that still have to travel


@dataclass(frozen=True)
class Line:
    """What lies between. round_trip: seconds; rate: bits a second, each way; window: bytes."""

    round_trip: float
    rate: float
    window: int = 4_000_000


class Link:
    """The relay's process. A context manager; clients connect to `host` and `port`."""

    host = HOST

    def __init__(self, target: tuple[str, int], line: Line) -> None:
        self.port = free_port()
        numbers = (self.port, target[1], line.round_trip, line.rate, line.window)
        self._command = [sys.executable, "-m", "bench.link", target[0], *map(str, numbers)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, env=environment(), cwd=ROOT)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            self.__exit__()
            raise RuntimeError("the link did not start")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.communicate(timeout=10)


class _Way:
    """One direction of the line, for all connections."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._free_at = 0.0

    def arrival(self, size: int, not_before: float) -> float:
        """When so many bytes, sent now, have arrived. not_before: when they may leave at the earliest."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, not_before, now) + size * 8 / self.line.rate
        return self._free_at + self.line.round_trip / 2


class _Stream:
    """One direction of one connection."""

    def __init__(self, way: _Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opens_at: float) -> None:
        self._way, self._reader, self._writer, self._opens_at = way, reader, writer, opens_at
        self._in_flight: deque[tuple[float, bytes]] = deque()
        self._unacknowledged = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Relay until the source ends; then end the target too. Raises OSError if either side was cut."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._send())
            both.create_task(self._deliver())

    async def _send(self) -> None:
        data = b"-"
        while data:
            while self._unacknowledged >= self._way.line.window:
                await self._next_change()
            data = await self._reader.read(_AT_ONCE)
            self._unacknowledged += len(data)
            self._in_flight.append((self._way.arrival(len(data), self._opens_at), data))
            self._changed.set()

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            while not self._in_flight:
                await self._next_change()
            at, data = self._in_flight.popleft()
            await asyncio.sleep(at - loop.time())
            if data:
                self._writer.write(data)
                await self._writer.drain()
                loop.call_later(self._way.line.round_trip / 2, self._acknowledge, len(data))
        with contextlib.suppress(OSError):  # the target has ended as well
            self._writer.write_eof()

    def _acknowledge(self, size: int) -> None:
        self._unacknowledged -= size
        self._changed.set()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class _Relay:
    """Accepts connections, and opens one to the target for each."""

    def __init__(self, target: tuple[str, int], line: Line) -> None:
        self._target, self._line = target, line
        self._up, self._down = _Way(line), _Way(line)

    async def serve(self, port: int) -> None:
        """Serve until SIGTERM. Prints a line when clients may connect."""
        done = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
        async with await asyncio.start_server(self._connected, ADDRESS, port):
            print("ready", flush=True)
            await done.wait()
            os._exit(0)  # whoever is still connected is cut

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # TCP's own handshake takes a round trip, which the kernel has answered at once on loopback
        opens_at = asyncio.get_running_loop().time() + self._line.round_trip
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        for end in (writer, far_writer):
            connection: socket.socket = end.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_Stream(self._up, reader, far_writer, opens_at).run())
                both.create_task(_Stream(self._down, far_reader, writer, opens_at).run())
        except* OSError:  # one side was cut, and so is the other
            for end in (writer, far_writer):
                end.transport.abort()
        finally:
            writer.close()
            far_writer.close()


def main() -> None:
    """Serve, as `Link` starts it."""
    arguments = argparse.ArgumentParser(prog="python -m bench.link")
    arguments.add_argument("host")
    arguments.add_argument("port", type=int)
    arguments.add_argument("target", type=int)
    arguments.add_argument("round_trip", type=float)
    arguments.add_argument("rate", type=float)
    arguments.add_argument("window", type=int)
    given = arguments.parse_args()
    line = Line(given.round_trip, given.rate, given.window)
    asyncio.run(_Relay((given.host, given.target), line).serve(given.port))


if __name__ == "__main__":
    main()
