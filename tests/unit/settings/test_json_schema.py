"""The schema of the configuration file says what the worker accepts in it."""

import tomllib
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it comes without types
import pytest
from pydantic import BaseModel, Field, SecretStr

from tests.unit.settings.files import DESIGN
from worker.settings.described import described
from worker.settings.json_schema import settings_schema
from worker.settings.model import is_kept_out, places_of
from worker.settings.tree import Settings


class Own(BaseModel):
    """Settings of a handler."""

    url: str = Field(description="Where to.")
    largest: int = Field(default=1, ge=0, description="A size, or a number.")
    token: SecretStr | None = Field(default=None, description="A secret.")


SCHEMA = settings_schema({"archive": Own, "quarantine": None})
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def faults(text: str) -> list[str]:
    return [fault.json_path for fault in VALIDATOR.iter_errors(tomllib.loads(text))]


def at(place: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA
    for key in place:
        found = found["properties"][key]
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_every_setting_is_in_it_with_what_it_means() -> None:
    single = [place for place in places_of(Settings) if place not in (("route",), ("handler",))]
    assert len(single) > 50
    for place in single:
        assert at(place)["description"], place


def test_each_default_is_one_that_the_schema_accepts() -> None:
    checked = 0
    for place in places_of(Settings):
        schema = at(place)
        if "default" in schema:
            jsonschema.Draft7Validator(schema).validate(schema["default"])
            checked += 1
    assert checked > 50
    assert at(("poll", "every"))["default"] == "1m"
    assert at(("limits", "message"))["default"] == "64MB"
    assert at(("junk", "waits"))["default"] == ["10s", "1m", "5m", "30m", "2h"]


def test_the_configuration_of_the_design_is_valid() -> None:
    own = DESIGN.replace("[handler.archive]\n", "[handler.archive]\n# the archive's table\n")
    assert faults(own) == []


GOOD = [
    '[poll]\nevery = "1.5h"\nsince = "all"',
    '[poll]\nsince = "2026-01-31"',
    '[junk]\nscl = "off"\nbcl = 3\nknown_senders = "*@a.uk"\ndigest = "monday 07:30"',
    '[[route]]\nname = "a"\nhandlers = ["b"]\n[route.match]\nfrom = ["*@a", { regex = "x" }]\nsize = { over = "1kB" }',
    '[[route]]\nname = "a"\nhandlers = ["b"]\nmatch = { header.X-Y = "z", kind = ["mail"], mismatched = true }',
    '[state]\njournal = "postgresql+psycopg://db/journal"',
    '[handler.archive]\nurl = "x"\nlargest = "10kB"\ntoken_file = "t"\nisolate = { user = "a" }\ntime_limit = "1m"',
    '[handler.second]\nuse = "archive"\nurl = "x"',
    '[handler.archive]\nuse = "quarantine"',
    '[handler.mine]\nuse = "my.module:Handler"\nanything = { goes = [1] }',
    '[mailbox]\nwarn = [70, 90]',
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_what_the_worker_accepts_is_valid(text: str) -> None:
    assert faults(text) == []


BAD = {
    "[pol]": "$",
    '[handler."a b"]\nuse = "my:H"': "$.handler",
    '[poll]\nevry = "1m"': "$.poll",
    "[poll]\nevery = 60": "$.poll.every",
    '[poll]\nevery = "60"': "$.poll.every",
    '[poll]\nevery = "0s"': "$.poll.every",
    '[poll]\nidle = "yes"': "$.poll.idle",
    '[poll]\nfolders = "INBOX"': "$.poll.folders",
    '[poll]\nsince = "yesterday"': "$.poll.since",
    "[limits]\nmessage = 64000000": "$.limits.message",
    '[account]\nport = "993"': "$.account.port",
    "[account]\nport = 70000": "$.account.port",
    '[account]\npassword = "x"': "$.account.password",
    '[account]\nauth = "oauth"': "$.account.auth",
    '[account.oauth]\nclient_secret = "x"': "$.account.oauth.client_secret",
    "[junk]\nscl = 10": "$.junk.scl",
    '[junk]\ndigest = "07:00"': "$.junk.digest",
    "[mailbox]\nwarn = [70, 90, 95]": "$.mailbox.warn",
    '[[route]]\nname = "a"': "$.route[0]",
    '[[route]]\nname = "a"\nhandlers = ["b"]\nmatches = { from = "a" }': "$.route[0]",
    '[[route]]\nname = "a"\nhandlers = ["b"]\nmatch = { form = "a" }': "$.route[0].match",
    '[[route]]\nname = "a"\nhandlers = ["b"]\nmatch = { from = "" }': "$.route[0].match.from",
    '[[route]]\nname = "a"\nhandlers = ["b"]\nmatch = { from = { glob = "a" } }': "$.route[0].match.from",
    '[handler.archive]\nurl = "x"\nur = "x"': "$.handler.archive",
    "[handler.archive]\nurl = 1": "$.handler.archive.url",
    '[handler.archive]\ntoken = "x"': "$.handler.archive.token",
    '[handler.archive]\nlargest = "10 parsecs"': "$.handler.archive.largest",
    '[handler.archive]\nisolate = "no"': "$.handler.archive.isolate",
    '[handler.second]\nuse = "archive"\nur = "x"': "$.handler.second",
    '[handler.quarantine]\nurl = "x"': "$.handler.quarantine",
    '[handler.mine]\nuse = "my:H"\nmemory = 5': "$.handler.mine.memory",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_the_worker_refuses_is_a_fault_at_its_place(text: str) -> None:
    assert set(faults(text)) == {BAD[text]}


def test_editors_complete_a_handler_s_table_under_any_name() -> None:
    """taplo completes from the properties of a table, if it has no `allOf`; tried with its language server."""
    handler = SCHEMA["properties"]["handler"]
    (any_name,) = handler["patternProperties"].values()
    assert {"use", "isolate", "time_limit"} <= set(any_name["properties"])
    assert {"url", "largest", "token_file"} == set(handler["properties"]["archive"]["properties"]) - {"token"}
    assert not {"allOf", "anyOf", "oneOf", "$ref"} & (set(any_name) | set(handler["properties"]["archive"]))


def test_no_secret_can_be_in_the_file() -> None:
    secrets = [place for place in places_of(Settings) if at(place).get("not") == {}]
    assert ("account", "password") in secrets
    assert ("state", "journal") not in secrets
    for place in secrets:
        assert is_kept_out(place, SecretStr)
        assert f"{place[-1]}_file" in at(place)["description"]


def test_the_schema_of_a_handler_has_all_that_its_description_has() -> None:
    assert {one.key for one in described(Own)} < set(SCHEMA["definitions"]["handler-archive"]["properties"])
