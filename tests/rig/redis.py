"""A real Redis that writes every command to disk. Debian: redis-server."""

import contextlib
from collections.abc import Sequence

import redis

from tests.rig.daemon import Daemon, program
from tests.rig.tls import ADDRESS

PASSWORD = "Open-Harvest-64"


class Redis(Daemon):
    name = "redis"

    @property
    def url(self) -> str:
        """The URL without the password."""
        return f"redis://{ADDRESS}:{self.port}/0"

    def client(self) -> "redis.Redis":
        return redis.Redis(host=ADDRESS, port=self.port, password=PASSWORD, socket_timeout=5)

    def ready(self) -> bool:
        with contextlib.suppress(redis.RedisError, OSError), self.client() as client:
            return bool(client.ping())
        return False

    def _command(self) -> Sequence[str]:
        options = {
            "port": str(self.port),
            "bind": ADDRESS,
            "dir": str(self.root),
            "requirepass": PASSWORD,
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return (program("redis-server", "redis-server"), *words)
