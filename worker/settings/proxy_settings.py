"""The settings of the proxy that connections to other machines go through."""

from pathlib import Path

from pydantic import Field, SecretStr

from worker.connections import LOOPBACK
from worker.settings.types import Table


class ProxySettings(Table):
    """The proxy between the worker and everything beyond the trust's network."""

    about = (
        "The proxy through which the worker connects to the mail server, the sign-in service, webhooks, object stores "
        "and the servers that take alerts by mail. TLS goes through it from end to end: the proxy sees names, ports "
        "and sizes. Once `url` is set, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in the environment don't count for "
        "these. Databases, queues, ClamAV and syslog are never reached through it."
    )

    url: str | None = Field(
        default=None,
        description="`http://`, `https://`, `socks5://` or `socks5h://`, with the proxy's host and port. `http` and "
        "`https` are proxies that know CONNECT; with `https`, TLS to the proxy itself as well. `socks5` looks up "
        "names here; the others leave that to the proxy. Unset: no proxy, but for what `HTTPS_PROXY` applies to.",
    )
    username: str | None = Field(default=None, description="The user name for the proxy, if it asks for one.")
    password: SecretStr | None = Field(default=None, description="Its password. A change needs a restart.")
    password_file: Path | None = Field(
        default=None, description="A file that holds the password, read at the start: a change needs a restart."
    )
    no_proxy: tuple[str, ...] = Field(
        default=LOOPBACK,
        description="What is reached without the proxy: names (each with all names below it), addresses, networks "
        "such as `10.0.0.0/8`; with `:port`, if only that port is meant; `*`, everything. A list replaces the default. "
        "Plain `http://` to this machine never goes through the proxy.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="A PEM file of authorities to trust for an `https://` proxy besides the system's. Verification "
        "can't be turned off.",
    )
    allow_clear: bool = Field(
        default=False,
        description="Send user name and password to a proxy on another machine in clear text, as `http://` and SOCKS "
        "do. `check` and the log say so.",
    )
