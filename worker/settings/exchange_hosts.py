"""The names of Exchange Online's own servers: the one list, from which docs/configuration.md is written too."""

from typing import Final

EXCHANGE_HOSTS: Final = (
    "outlook.office365.com",
    "outlook.office.com",
    "outlook.com",
    "outlook.office365.us",
    "outlook-dod.office365.us",
    "webmail.apps.mil",
    "partner.outlook.cn",
    "outlook.office.de",
    "imap.nhs.net",
    "mail.nhs.net",
    "outlook.nhs.net",
)
"""Each name stands for all names below it too. In order: Microsoft 365, its consumer service, the clouds of the United
States' government and military, of China and of Germany, and the names that NHSmail's servers had until 2021."""


def is_exchange_online(host: str) -> bool:
    """Whether a server is Exchange Online, by its name alone. host: as in the settings; nothing is looked up."""
    name = host.rstrip(".").casefold()
    return any(name == known or name.endswith(f".{known}") for known in EXCHANGE_HOSTS)
