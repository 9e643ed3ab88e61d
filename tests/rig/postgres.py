"""A real PostgreSQL: unprivileged, on loopback, in a folder of its own. Debian's package postgresql brings it."""

import subprocess
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import psycopg

from tests.rig.daemon import Daemon, give_away, program, unprivileged
from tests.rig.tls import ADDRESS

USER = "worker"
PASSWORD = "Quiet-Meadow-51"


class Postgres(Daemon):
    """One server; `fresh_url` makes a new, empty database on it."""

    name = "postgres"
    crash = "QUIT"  # at once, nothing written: as a crash, but its children go as well

    def __init__(self) -> None:
        self._serial = count(1)
        super().__init__()

    def fresh_url(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        name = f"test{next(self._serial)}"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://{USER}:{PASSWORD}@{ADDRESS}:{self.port}/{name}"

    def dsn(self, database: str) -> str:
        """What psycopg takes."""
        return f"postgresql://{USER}:{PASSWORD}@{ADDRESS}:{self.port}/{database}?connect_timeout=5"

    def kill_sessions(self) -> int:
        """End all sessions but this one, as an administrator does. Returns how many there were."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchall()
        return len(ended)

    def ready(self) -> bool:
        try:
            psycopg.connect(self.dsn("postgres")).close()
        except psycopg.Error:
            return False
        return True

    def _prepare(self) -> None:
        (self.root / "password").write_text(PASSWORD)
        give_away(self.root)
        subprocess.run(
            [
                *(_program("initdb"), "--pgdata", str(self.root / "data"), "--username", USER),
                *("--pwfile", str(self.root / "password"), "--auth", "scram-sha-256"),
                *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.root,
            **unprivileged(),
        )

    def _command(self) -> Sequence[str]:
        # without fsync: servers are killed here, machines aren't
        options = {"listen_addresses": ADDRESS, "port": self.port, "unix_socket_directories": self.root, "fsync": "off"}
        settings = [f"--{name}={value}" for name, value in options.items()]
        return (_program("postgres"), "-D", str(self.root / "data"), *settings)


def _program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return program(name, "postgresql", *map(str, folders))
