"""Brings the values into the tree's shape: refuses a second account, and separates the handlers' own options."""

import re
from collections.abc import Callable
from typing import Any

from worker.settings.account_settings import AccountSettings
from worker.settings.model import Place, keys_of, table_in
from worker.settings.routes import HandlerRules
from worker.settings.sources import ONE_ACCOUNT, Given
from worker.settings.types import HANDLER_NAME

Add = Callable[[Place, str], None]

STAND_IN_ADDRESS = "stand.in@nhs.net"
_STAND_IN_HANDLER = "quarantine"


def shaped(given: Given, add: Add) -> dict[str, Any]:
    """Return the values in the tree's shape. What doesn't fit is reported and left out."""
    values = given.values
    refuse_second_account(values, add)
    values.setdefault("account", {})
    handlers = values.get("handler", {})
    if not isinstance(handlers, dict):
        add(("handler",), "must be tables, each with a name: [handler.archive].")
        handlers = {}
    values["handler"] = {
        name: table for name, written in handlers.items() if (table := _handler(name, written, given, add)) is not None
    }
    return values


def refuse_second_account(values: dict[str, Any], add: Add) -> None:
    """Refuse a second account in any form: a list of tables, another table, a nested table or a list of addresses."""
    account = values.get("account")
    if account is not None and not isinstance(account, dict):
        add(("account",), ONE_ACCOUNT)
        values["account"] = {"address": STAND_IN_ADDRESS}
    elif isinstance(account, dict):
        _refuse_within(account, add)
    for name in list(values):
        if name != "account" and "account" in name:
            add((name,), ONE_ACCOUNT)
            del values[name]


def _refuse_within(account: dict[str, Any], add: Add) -> None:
    tables = {key for key in keys_of(AccountSettings) if table_in(AccountSettings.model_fields[key].annotation)}
    for key in list(account):
        if isinstance(account[key], dict) and key not in tables:
            add(("account", key), ONE_ACCOUNT)
            del account[key]
    address = account.get("address")
    if isinstance(address, list | dict) or (isinstance(address, str) and address.count("@") > 1):
        add(("account", "address"), ONE_ACCOUNT)
        account["address"] = STAND_IN_ADDRESS


def _handler(name: str, written: Any, given: Given, add: Add) -> dict[str, Any] | None:
    if not isinstance(written, dict):
        add(("handler", name), f"must be a table: [handler.{name}].")
        return None
    use = written.get("use")
    if use is not None and (not isinstance(use, str) or not use):
        add(("handler", name, "use"), 'must be text: an entry point, or "package.module:name".')
        use = None
    rules = {key: value for key, value in written.items() if key in HandlerRules.model_fields}
    options = {key: value for key, value in written.items() if key != "use" and key not in rules}
    from_file = frozenset(key for key in options if ("handler", name, key) not in given.variables)
    return {"use": use, "options": options, "from_file": from_file, "folder": given.folder, **rules}


def place_of(location: tuple[int | str, ...]) -> Place:
    """Return the place of a fault, with list items counted from one."""
    return tuple(str(part + 1) if isinstance(part, int) else part for part in location if part != "[key]")


def take_out(values: dict[str, Any], location: tuple[int | str, ...]) -> bool:
    """Remove a faulty setting, so that its default applies. Returns False if there was nothing to remove."""
    if location[:1] == ("route",) and len(location) > 1:
        values["route"][int(location[1])] = _mended(values["route"][int(location[1])], int(location[1]), location[2:])
        return True
    if location in (("account",), ("account", "address")):
        values["account"] = {**_table(values.get("account")), "address": STAND_IN_ADDRESS}
        return True
    for depth, part in enumerate(location):
        last = depth == len(location) - 1 or not isinstance(values.get(str(part)), dict)
        if last:
            return values.pop(str(part), None) is not None
        values = values[str(part)]
    return False


def _mended(written: Any, number: int, within: tuple[int | str, ...]) -> dict[str, Any]:
    """Return a route without the fault at this place. The rest is kept, so that its faults are found as well."""
    route = dict(_table(written))
    if within[:1] == ("match",):
        route["match"] = _match(route["match"], within[1:])
    elif within[:1] == ("handlers",):
        route["handlers"] = _handlers(route.get("handlers")) or [_STAND_IN_HANDLER]
    elif within:
        route.pop(str(within[0]), None)
    return {"name": f"route-{number + 1}", "handlers": [_STAND_IN_HANDLER], **route}


def _match(written: Any, within: tuple[int | str, ...]) -> dict[str, Any]:
    """Return a match without the condition at this place.

    If none is left, a placeholder is put in. Without a condition, the route would count as the last one, which takes
    every message.
    """
    conditions = {key: value for key, value in _table(written).items() if within and key != within[0]}
    return conditions or ({"kind": "mail"} if written else {})


def _handlers(value: Any) -> list[str]:
    """Return the items that are valid names of handlers."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str) and re.fullmatch(HANDLER_NAME, item)]


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
