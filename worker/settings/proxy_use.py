"""Makes the proxy of the settings, for those that connect to other machines."""

from contextlib import suppress
from importlib.util import find_spec

from worker.connections import Proxy, Unprotected
from worker.settings.load import SettingsError
from worker.settings.secrets import read_secret
from worker.settings.tree import Settings

_NO_LIBRARY = (
    "[proxy] url: proxies need a library that isn't installed. Install the worker with `scripts/install`, which brings "
    "it, or with the extra `proxy`."
)


def proxy_of(settings: Settings) -> Proxy | None:
    """The proxy that the settings name, with its password; None if they name none.

    Raises:
        SettingsError: its password can't be read or sent, or the library for proxies isn't installed.
    """
    table = settings.proxy
    if table.url is None:
        return None
    if find_spec("python_socks") is None:
        raise SettingsError([_NO_LIBRARY])
    try:
        password = read_secret(table.password, table.password_file)
    except (OSError, ValueError):
        raise SettingsError(["[proxy] password_file: can't be read. Put the password there."]) from None
    try:
        return Proxy.of(
            table.url,
            username=table.username,
            password=None if password is None else password.get_secret_value(),
            no_proxy=table.no_proxy,
            ca_file=table.ca_file,
            allow_clear=table.allow_clear,
        )
    except Unprotected as fault:
        raise SettingsError([f"[proxy] url: {fault}."]) from None
    except ValueError as fault:
        name, _, text = str(fault).partition(" ")
        raise SettingsError([f"[proxy] {name.rstrip(':')}: {text}."]) from None


def check_proxy(settings: Settings) -> list[str]:
    """Return what is wrong with the proxy's password, or with what is installed."""
    with suppress(OSError, ValueError):  # an unreadable file is said of by another check
        read_secret(settings.proxy.password, settings.proxy.password_file)
        try:
            proxy_of(settings)
        except SettingsError as error:
            return error.faults
    return []
