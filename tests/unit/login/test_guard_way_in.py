"""A server that offers no way to log in with what we have: nothing is sent, nothing spent, and people are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.login.world import World, fail, names, standing, token_world
from worker.login.backoff import Lockout
from worker.login.refusals import Halted, NoWayIn
from worker.login.standing import Reason, State
from worker.logs.fields import FIELDS
from worker.mailbox.login_offer import KNOWN, LoginOffer

BOTH = LoginOffer(frozenset({"PLAIN", "XOAUTH2"}))
PLAIN = LoginOffer(frozenset({"PLAIN"}), login=False)
TOKENS = LoginOffer(frozenset({"XOAUTH2"}), login=False)
NONE = LoginOffer(frozenset(), login=False)


def attempt(world: World, offer: LoginOffer) -> None:
    """One attempt at a server that offers this; a success, if it comes so far."""
    with world.processes[0][1].attempt() as granted:
        granted.compare(offer)
        granted.credential()
        granted.logged_in()
        granted.first_command_ok()


def refused(world: World, offer: LoginOffer) -> str:
    with pytest.raises(NoWayIn) as caught:
        attempt(world, offer)
    return caught.value.advice


@pytest.mark.parametrize("offer", [TOKENS, NONE])
def test_a_password_isnt_sent_where_none_is_taken(offer: LoginOffer) -> None:
    world = World()
    assert offer.names() in refused(world, offer)
    assert (world.server.sent, world.store.records) == (0, [])
    assert (standing(world).state, standing(world).reason) == (State.HALTED, Reason.WAY_IN)
    assert standing(world).failures == 0


def test_the_advice_fits_into_a_line_of_the_log_however_much_is_offered() -> None:
    everything = LoginOffer(frozenset({*KNOWN, *(f"X{number}" for number in range(100))} - {"PLAIN"}), login=False)
    assert FIELDS["advice"][0].fullmatch(refused(World(), everything))  # type: ignore[union-attr] # a pattern


def test_a_token_isnt_asked_for_where_none_is_taken() -> None:
    world, tokens = token_world()
    advice = refused(world, PLAIN)
    assert "What it offers: AUTH=PLAIN." in advice
    assert "The next attempt" not in advice
    assert (tokens.refreshed, world.store.records) == ([], [])


def test_a_password_at_the_token_endpoint_needs_a_way_for_the_token() -> None:
    """The endpoint would count the password, and the token would be of no use."""
    world, tokens = token_world(kind="password", identity="Right-Password-0", password="Right-Password-0")
    given: Any = tokens
    given.auth = "oauth2-password"
    refused(world, PLAIN)
    assert (tokens.refreshed, world.store.records) == ([], [])
    attempt(world, TOKENS)


def test_a_password_that_isnt_ascii_needs_plain() -> None:
    world = World()
    world.configured = "Blåbær-Grød-92"
    refused(world, LoginOffer(frozenset({"XOAUTH2"}), login=True))
    attempt(world, PLAIN)


def test_it_is_said_once_looked_at_each_time_and_over_as_soon_as_the_way_is_offered() -> None:
    world = World()
    for _ in range(5):
        refused(world, TOKENS)
    assert names(world) == ["login.halted"]
    assert world.events[0][1]["reason"] == "way_in"
    attempt(world, BOTH)
    assert (standing(world).state, standing(world).reason) == (State.READY, None)


def test_another_process_sees_the_halt_and_looks_for_itself() -> None:
    world = World()
    refused(world, TOKENS)
    assert world.processes[1][1].status().standing.reason == Reason.WAY_IN
    world.processes[0] = world.start()
    assert standing(world).reason == Reason.WAY_IN
    attempt(world, BOTH)


@pytest.mark.parametrize("ending", ["another way", "a reset"])
def test_a_changed_setting_and_a_reset_end_what_the_status_says(ending: str) -> None:
    world = World()
    refused(world, TOKENS)
    if ending == "a reset":
        world.processes[0][1].reset("allowed now", actor="a person")
    else:
        world.way = "oauth2-client there"
        with world.processes[0][1].attempt():
            pass
    assert standing(world).state is State.READY


def test_other_halts_come_first() -> None:
    world = World()
    refused(world, TOKENS)
    fail(world, "locked")
    with pytest.raises(Halted) as caught:
        attempt(world, TOKENS)
    assert caught.value.reason == "locked"
    assert standing(world).reason == "locked"


@given(offers=st.lists(st.sampled_from([BOTH, PLAIN, TOKENS, NONE]), max_size=12))
def test_whatever_a_server_offers_when_only_a_login_is_an_attempt(offers: list[LoginOffer]) -> None:
    world = World(Lockout(jitter=0.0))
    logins = 0
    for offer in offers:
        if offer.takes_password(world.configured):
            attempt(world, offer)
            logins += 1
        else:
            refused(world, offer)
        assert len(world.store.records) == logins
        assert (standing(world).reason == Reason.WAY_IN) is not offer.takes_password(world.configured)
