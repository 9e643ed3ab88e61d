"""A real Squid on loopback: CONNECT with a user name and a password, in clear text and over TLS. Debian: squid.

It knows names that nothing else on this machine knows, as a trust's proxy knows the outside's. Its log has a line for
each tunnel.
"""

import subprocess
from collections.abc import Mapping, Sequence

from tests.rig.daemon import Daemon, listens, program
from tests.rig.ports import free_port
from tests.rig.tls import ADDRESS, Authority

USER, PASSWORD = "svc-mailworker", "Quiet-Harbour-73"
OUTSIDE = "mail.outside.test"
"""A name that the proxy alone resolves: to loopback."""
FORBIDDEN = 9
"""A port that its rules don't allow."""


class Squid(Daemon):
    """url: of CONNECT in clear text. tls_url: the same within TLS, with a certificate for `localhost`."""

    name = "squid"

    def __init__(
        self, authority: Authority, *, users: Mapping[str, str] | None = None, names: Sequence[str] = ()
    ) -> None:
        """users: passwords by name; empty: it asks for none. names: what it resolves besides `OUTSIDE`."""
        self._authority = authority
        self._users = {USER: PASSWORD} if users is None else dict(users)
        self._names = (OUTSIDE, *names)
        self.tls_port = free_port()
        super().__init__()

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self.tls_port}"

    @property
    def access_log(self) -> str:
        path = self.root / "access.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def everything_logged(self) -> str:
        """All that it has written anywhere."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.root.glob("*.log")))

    def ready(self) -> bool:
        return listens(self.port) and listens(self.tls_port)

    def _prepare(self) -> None:
        chain, key = self._authority.issue()
        for name, source in (("chain.pem", chain), ("key.pem", key)):
            (self.root / name).write_bytes(source.read_bytes())
        (self.root / "hosts").write_text(f"{ADDRESS} localhost {' '.join(self._names)}\n")
        (self.root / "users").write_text("".join(f"{user}:{_hashed(word)}\n" for user, word in self._users.items()))
        helper = program("basic_ncsa_auth", "squid", "/usr/lib/squid")
        asks = [
            f"auth_param basic program {helper} {self.root}/users",
            "auth_param basic children 2 startup=1 idle=1",
            "acl known proxy_auth REQUIRED",
            "http_access deny !known",
        ]
        lines = [
            f"http_port {ADDRESS}:{self.port}",
            f"https_port {ADDRESS}:{self.tls_port} tls-cert={self.root}/chain.pem tls-key={self.root}/key.pem",
            f"hosts_file {self.root}/hosts",
            f"acl forbidden port {FORBIDDEN}",
            "acl CONNECT method CONNECT",
            "http_access deny forbidden",
            *(asks if self._users else []),
            "http_access allow CONNECT",
            "http_access deny all",
            "cache deny all",
            f"access_log stdio:{self.root}/access.log",
            f"cache_log {self.root}/cache.log",
            "cache_store_log none",
            "pid_filename none",
            f"coredump_dir {self.root}",
            "shutdown_lifetime 0 seconds",
            "dns_nameservers 127.0.0.1",
            "dns_timeout 1 seconds",
            "connect_timeout 5 seconds",
            "netdb_filename none",
            "pinger_enable off",
            "visible_hostname proxy.test",
            "workers 1",
        ]
        (self.root / "squid.conf").write_text("\n".join(lines) + "\n")

    def _command(self) -> Sequence[str]:
        return (program("squid", "squid"), "-N", "-f", str(self.root / "squid.conf"))


def _hashed(password: str) -> str:
    return subprocess.run(
        ["openssl", "passwd", "-apr1", "-stdin"], input=password, capture_output=True, text=True, check=True
    ).stdout.strip()
