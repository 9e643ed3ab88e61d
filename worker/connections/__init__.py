"""Every outgoing connection: the one rule of TLS, and the one way through a proxy. Handlers may import these names."""

from worker.connections.dialer import Dialer, Direct
from worker.connections.no_proxy import LOOPBACK, NoProxy
from worker.connections.proxy import SCHEMES, Proxy
from worker.connections.proxy_trouble import ProxyFault, ProxyTrouble
from worker.connections.tls_rule import (
    KEY_LOG,
    Target,
    Unprotected,
    ignore_key_log,
    is_loopback,
    line_for,
    postgres_options,
    refuse_weakening,
    system_authorities,
    unweakened,
    verified_context,
)

__all__ = [
    "KEY_LOG",
    "LOOPBACK",
    "SCHEMES",
    "Dialer",
    "Direct",
    "NoProxy",
    "Proxy",
    "ProxyFault",
    "ProxyTrouble",
    "Target",
    "Unprotected",
    "ignore_key_log",
    "is_loopback",
    "line_for",
    "postgres_options",
    "refuse_weakening",
    "system_authorities",
    "unweakened",
    "verified_context",
]
