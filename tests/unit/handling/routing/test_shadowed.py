"""Rules that can never match."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.handling.routing.world import REST, RULES, Headers, Mail, rule
from worker.handling.routing.router import Router
from worker.handling.routing.shadowed import unreachable
from worker.settings import RouteSettings


@given(RULES, st.sampled_from([Mail(), Mail(sender="x@y.uk"), Mail(headers=Headers({})), Mail(kind="bounce")]))
def test_a_rule_that_is_said_to_be_unreachable_takes_nothing(rules: list[RouteSettings], mail: Mail) -> None:
    dead = {found.route for found in unreachable(rules)}
    assert dead.isdisjoint(Router(rules, ["quarantine"]).route(mail).routes)


@pytest.mark.parametrize(
    ("earlier", "later", "dead"),
    [
        (None, {"from": "a@b.uk"}, True),
        ({}, {"from": "a@b.uk"}, True),
        ({"from": "a@b.uk"}, {"from": "A@b.uk"}, True),
        ({"from": "a@b.uk"}, {"from": "a@b.uk"}, True),
        ({"from": "*@b.uk"}, {"from": "a@b.uk", "subject": "x"}, True),
        ({"from": "*@b.uk"}, {"from": ["a@b.uk", "*x@b.uk"]}, True),
        ({"from": "*@b.uk"}, {"from": ["a@b.uk", "a@c.uk"]}, False),
        ({"from": "*@b.uk"}, {"from": "*"}, False),
        ({"from": "?@b.uk"}, {"from": "*@b.uk"}, False),
        ({"from": "a@b.uk", "subject": "x"}, {"from": "a@b.uk"}, False),
        ({"header": {"X-A": "*"}}, {"header": {"x-a": "1", "X-B": "2"}}, True),
        ({"header": {"X-A": "*"}}, {"header": {"X-B": "2"}}, False),
        ({"size": {"over": "1MB"}}, {"size": {"over": "2MB", "under": "3MB"}}, True),
        ({"size": {"over": "1MB", "under": "2MB"}}, {"size": {"over": "1MB"}}, False),
        ({"kind": ["mail", "bounce"]}, {"kind": "mail"}, True),
        ({"kind": "mail"}, {"kind": ["mail", "bounce"]}, False),
        ({"subject": {"regex": "x"}}, {"subject": {"regex": "x"}}, True),
        ({"subject": {"regex": "x"}}, {"subject": {"regex": "xy"}}, False),
        ({"path": "clean"}, {"from": "a@b.uk"}, True),
        ({"attachment": "*", "attachment_type": "*"}, {"attachment": "a"}, False),
        ({"attachment": "*"}, {"attachment": "a", "attachment_type": "b"}, True),
        ({"from": "a@b.uk"}, {"path": "junk"}, True),
    ],
)
def test_rules_that_can_never_match_are_named(
    earlier: dict[str, Any] | None, later: dict[str, Any], dead: bool
) -> None:
    found = {one.route: one.reason for one in unreachable([rule("early", earlier), rule("late", later), rule("rest")])}
    assert ("late" in found) is dead
    assert all(reason for reason in found.values())


def test_a_rule_that_goes_on_shadows_none() -> None:
    assert unreachable([rule("a", goes_on=True), rule("b", {"from": "x"}), REST]) == []


@pytest.mark.parametrize(
    ("wide", "narrow", "shadows"),
    [
        ({"mismatched": True}, {"mismatched": True, "attachment": "*.pdf"}, True),
        ({"attachment": "*.pdf"}, {"mismatched": True, "attachment": "*.pdf"}, True),
        ({"mismatched": True}, {"attachment": "*.pdf"}, False),
        ({"mismatched": True}, {"mismatched": False}, False),
        ({"mismatched": True, "attachment": "*"}, {"mismatched": True}, False),
    ],
)
def test_rules_on_mismatches_that_can_never_match(wide: dict[str, Any], narrow: dict[str, Any], shadows: bool) -> None:
    found = unreachable([rule("wide", wide), rule("narrow", narrow), REST])
    assert [one.route for one in found] == (["narrow"] if shadows else [])
