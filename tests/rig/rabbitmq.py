"""A real RabbitMQ: unprivileged, only on loopback, in a folder of its own. Debian: rabbitmq-server."""

import contextlib
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

import amqp  # type: ignore[import-untyped]  # it ships no types

from tests.rig.daemon import Daemon, program
from tests.rig.ports import free_port
from tests.rig.tls import ADDRESS

USER = "worker"
PASSWORD = "Green-Ferry-29"


class RabbitMQ(Daemon):
    """One broker, without the management plugin. tls: a certificate and its key, to serve TLS on `tls_port`."""

    name = "rabbitmq"
    patience = 60.0

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self._tls = tls
        self.tls_port = free_port()
        self._inner_port = free_port()
        self._mapper_port = free_port()
        super().__init__()

    @property
    def url(self) -> str:
        """The URL without the password."""
        return f"amqp://{USER}@{ADDRESS}:{self.port}//"

    @property
    def tls_url(self) -> str:
        return f"amqps://{USER}@localhost:{self.tls_port}//"

    def client(self) -> amqp.Connection:
        """A connection for a test to look with."""
        connection = amqp.Connection(
            f"{ADDRESS}:{self.port}", userid=USER, password=PASSWORD, connect_timeout=5, read_timeout=20
        )
        connection.connect()
        return connection

    def ready(self) -> bool:
        """Whether it answers, over TLS too: its first handshake takes seconds on a busy machine."""
        with contextlib.suppress(OSError, amqp.AMQPError):
            self.client().close()
            if self._tls is not None:
                self._shake_hands()
            return True
        return False

    def _shake_hands(self) -> None:
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((ADDRESS, self.tls_port), 10) as plain, anybody.wrap_socket(plain):
            pass

    def _prepare(self) -> None:
        lines = {
            "listeners.tcp.1": f"{ADDRESS}:{self.port}",
            "default_user": USER,
            "default_pass": PASSWORD,
            "distribution.listener.interface": ADDRESS,
            "log.console": "true",
            "log.file": "false",
            "log.console.level": "warning",
            "disk_free_limit.absolute": "50MB",
        }
        if self._tls is not None:
            for path, name in zip(self._tls, ("server.pem", "server.key"), strict=True):
                (self.root / name).write_bytes(path.read_bytes())
            lines |= {
                "listeners.ssl.1": f"{ADDRESS}:{self.tls_port}",
                "ssl_options.certfile": str(self.root / "server.pem"),
                "ssl_options.keyfile": str(self.root / "server.key"),
                "ssl_options.verify": "verify_none",
                "ssl_options.fail_if_no_peer_cert": "false",
            }
        (self.root / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        (self.root / "plugins").write_text("[].\n")

    def _environment(self) -> Mapping[str, str]:
        return {
            **super()._environment(),
            "RABBITMQ_NODENAME": f"rig{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(self.root / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(self.root / "data"),
            "RABBITMQ_LOG_BASE": str(self.root),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.root / "plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.root / "generated"),
            "RABBITMQ_PID_FILE": str(self.root / "pid"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_DIST_PORT": str(self._inner_port),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": ADDRESS,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }

    def _command(self) -> Sequence[str]:
        # Debian's wrapper insists on root; the script that it calls doesn't
        return (program("rabbitmq-server", "rabbitmq-server", "/usr/lib/rabbitmq/bin"),)
