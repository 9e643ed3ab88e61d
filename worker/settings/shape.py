"""From what was written to what the tree takes: a second account refused, handlers' own options set apart."""

import re
from collections.abc import Callable
from typing import Any

from worker.settings.model import Place, keys_of, table_in
from worker.settings.routes import HandlerRules
from worker.settings.sources import ONE_ACCOUNT, Given
from worker.settings.tree import AccountSettings
from worker.settings.types import HANDLER_NAME

Add = Callable[[Place, str], None]

STAND_IN_ADDRESS = "stand.in@nhs.net"
_STAND_IN_HANDLER = "quarantine"


def shaped(given: Given, add: Add) -> dict[str, Any]:
    """The values in the shape of the tree, without what can't be brought into it, which is reported."""
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
    """Whichever way somebody tries to write two: a list of tables, another table, a table in the table, a list."""
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
    return {"use": use, "options": options, "from_file": from_file, **rules}


def place_of(location: tuple[int | str, ...]) -> Place:
    """Where a fault is, with items of lists counted from one, as people do."""
    return tuple(str(part + 1) if isinstance(part, int) else part for part in location if part != "[key]")


def take_out(values: dict[str, Any], location: tuple[int | str, ...]) -> bool:
    """Takes the faulty setting out, so that its default stands in for it. False: there was nothing to take out."""
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
    """A route without the fault at this place; what else was written stays, so that its faults are found as well."""
    route = dict(_table(written))
    if within[:1] == ("match",):
        route["match"] = _match(route["match"], within[1:])
    elif within[:1] == ("handlers",):
        route["handlers"] = _handlers(route.get("handlers")) or [_STAND_IN_HANDLER]
    elif within:
        route.pop(str(within[0]), None)
    return {"name": f"route-{number + 1}", "handlers": [_STAND_IN_HANDLER], **route}


def _match(written: Any, within: tuple[int | str, ...]) -> dict[str, Any]:
    """A match without the condition at this place, but with one where it had any: the last route must have none."""
    conditions = {key: value for key, value in _table(written).items() if within and key != within[0]}
    return conditions or ({"kind": "mail"} if written else {})


def _handlers(value: Any) -> list[str]:
    """Those that may be names of handlers."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str) and re.fullmatch(HANDLER_NAME, item)]


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
