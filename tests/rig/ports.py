"""Ports for servers, from below the range out of which the system takes the local ends of connections.

A port from that range may be somebody's before its server has it, or while the server is stopped: any connection on
this machine may get it for its own end. Where nobody listens, even the client that asks for the port may get it, and
talks to itself.
"""

import errno
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

_LOWEST = 10_000
_FEWEST = 1_000
_APART = 251
"""How far apart two processes begin, if one is started right after the other."""


def free_port() -> int:
    """A port that nobody has on either loopback address, and that this process has not been given before."""
    return next(port for port in _candidates if _is_free(port))


def _own_candidates() -> Iterator[int]:
    lowest_of_the_system = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    enough = lowest_of_the_system - _LOWEST >= _FEWEST
    ports = range(_LOWEST, lowest_of_the_system if enough else 65_536)
    first = os.getpid() * _APART
    return (ports[(first + number) % len(ports)] for number in itertools.count())


def _is_free(port: int) -> bool:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.bind((address, port))
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                return False
    return True


_candidates = _own_candidates()
