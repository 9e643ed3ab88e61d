"""The settings of the proxy that connections to other machines go through."""

from pathlib import Path

from pydantic import Field, SecretStr

from worker.connections import LOOPBACK
from worker.settings.types import Table


class ProxySettings(Table):
    """The proxy between the worker and everything beyond the trust's network."""

    about = (
        "The proxy through which the worker connects to the mail server, the sign-in service, webhooks, object "
        "stores and the servers for alerts by mail. TLS goes through it from end to end: the proxy sees names, "
        "ports and sizes. If `url` is set, the worker ignores `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` for these. "
        "It never uses the proxy for databases, queues, ClamAV and syslog."
    )

    url: str | None = Field(
        default=None,
        description=(
            "`http://`, `https://`, `socks5://` or `socks5h://`, with the proxy's host and port. `http` and `https` "
            "are proxies that support CONNECT. With `https` the connection to the proxy uses TLS as well. With "
            "`socks5` this machine looks up names, with the others the proxy does. Unset: no proxy, except where "
            "`HTTPS_PROXY` applies."
        ),
    )
    username: str | None = Field(default=None, description="The user name for the proxy, if it asks for one.")
    password: SecretStr | None = Field(default=None, description="Its password. A change needs a restart.")
    password_file: Path | None = Field(
        default=None, description="A file that holds the password, read at the start: a change needs a restart."
    )
    no_proxy: tuple[str, ...] = Field(
        default=LOOPBACK,
        description=(
            "Hosts that the worker reaches without the proxy: names (each with all names below it), addresses, and "
            "networks such as `10.0.0.0/8`. Add `:port` to mean only that port. `*` means everything. A list "
            "replaces the default. Plain `http://` to this machine never goes through the proxy."
        ),
    )
    ca_file: Path | None = Field(
        default=None,
        description=(
            "A PEM file of authorities to trust for an `https://` proxy, in addition to the system's. Verification "
            "can't be turned off."
        ),
    )
    allow_clear: bool = Field(
        default=False,
        description=(
            "Allow sending user name and password to a proxy on another machine in clear text, as `http://` and "
            "SOCKS do. `check` and the log warn about it."
        ),
    )
