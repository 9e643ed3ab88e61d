"""A real PostgreSQL: unprivileged, on loopback, in a folder of its own. Debian: postgresql."""

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
    """One server. `fresh_url` creates a new, empty database on it. tls: a certificate and its key, to offer TLS."""

    name = "postgres"
    crash = "QUIT"  # ends at once without writing anything, as a crash does, but takes its children along

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self._tls = tls
        self._serial = count(1)
        super().__init__()

    def fresh_url(self) -> str:
        """Create an empty database. Returns its SQLAlchemy URL."""
        name = f"test{next(self._serial)}"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://{USER}:{PASSWORD}@{ADDRESS}:{self.port}/{name}"

    def dsn(self, database: str) -> str:
        """The connection string of a database for psycopg."""
        return f"postgresql://{USER}:{PASSWORD}@{ADDRESS}:{self.port}/{database}?connect_timeout=5"

    def kill_sessions(self) -> int:
        """End all other sessions, as an administrator can, and wait until they have. Returns how many there were."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
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
        for path, name in zip(self._tls or (), ("server.pem", "server.key"), strict=False):
            (self.root / name).touch(0o600)
            (self.root / name).write_bytes(path.read_bytes())
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
        # no fsync: tests kill servers, not machines
        options = {"listen_addresses": ADDRESS, "port": self.port, "unix_socket_directories": self.root, "fsync": "off"}
        if self._tls is not None:
            tls = {"ssl": "on", "ssl_cert_file": self.root / "server.pem", "ssl_key_file": self.root / "server.key"}
            options |= tls
        settings = [f"--{name}={value}" for name, value in options.items()]
        return (_program("postgres"), "-D", str(self.root / "data"), *settings)


def _program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return program(name, "postgresql", *map(str, folders))
