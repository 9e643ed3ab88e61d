"""A password for Exchange Online's own servers: none leaves, whatever happens, until the settings say otherwise."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.login.world import ANSWERS, World, fail, names, send, standing, token_world
from worker.login.credential import Auth
from worker.login.history import Rules
from worker.login.refusals import Halted, NoAttempt, ResetNeedsAgain
from worker.login.standing import Reason, State
from worker.mailbox.errors import LoginFailed, MailboxError
from worker.mailbox.login_failures import FailureClass, failure

HOST = "outlook.office365.com"
THERE: dict[str, Any] = {"host": HOST, "exchange_online": True}


def halted(world: World) -> str:
    with pytest.raises(Halted) as caught:
        world.login(0)
    assert caught.value.reason == Reason.OAUTH_ONLY
    return caught.value.advice


def configure(world: World, **changed: Any) -> None:
    """Other settings, and with them other processes."""
    world.rules = replace(world.rules, **changed)
    world.processes = [world.start(which) for which in (0, 1)]


def test_nothing_is_sent_and_people_are_told_once() -> None:
    world = World(**THERE)
    advice = {halted(world) for _ in range(5)}
    assert (world.server.sent, world.store.records, names(world)) == (0, [], ["login.halted"])
    assert (world.events[0][1]["reason"], world.events[0][1]["failures"]) == ("oauth_only", 0)
    guard = world.processes[1][1]
    assert {guard.advice(), world.events[0][1]["advice"]} == advice
    assert HOST in guard.advice()
    assert (standing(world).state, standing(world).next_at) == (State.HALTED, None)
    assert guard.foresee() is None


def test_the_connection_is_not_even_made() -> None:
    """The block of an attempt is where the connection is made; it isn't entered."""
    world, entered = World(**THERE), []
    with pytest.raises(Halted), world.processes[0][1].attempt():
        entered.append(True)
    assert not entered


def test_a_password_that_was_never_read_is_not_asked_for() -> None:
    world = World(**THERE)
    given: Any = world
    given.candidate = None  # reading it would fail
    halted(world)


DEEDS = ("log in", "log in beside", "reset", "reset again", "restart", "change password", "wait", "break policy")


@settings(max_examples=200, deadline=None)
@given(deeds=st.lists(st.sampled_from(DEEDS), max_size=25), answer=st.sampled_from(ANSWERS), failed=st.integers(0, 3))
def test_only_the_settings_end_it(deeds: list[str], answer: str, failed: int) -> None:
    world = World()
    for _ in range(failed):  # at another server, before
        with pytest.raises(LoginFailed):
            world.login(0, "rejected")
        world.now += 1e6
    before = world.server.sent
    configure(world, **THERE)
    for deed in deeds:
        guard = world.processes[0][1]
        match deed:
            case "log in":
                with pytest.raises(Halted):
                    world.login(0, answer)
            case "log in beside":
                with pytest.raises(Halted), world.processes[1][1].attempt(keep_last=True):
                    pass
            case "reset" | "reset again":
                with suppress(ResetNeedsAgain):
                    guard.reset("unlocked", actor="a person", again=deed == "reset again")
            case "restart":
                world.processes[0] = world.start()
            case "change password":
                world.configured = "Right-Password-1"
            case "break policy":
                world.configured = "short"
            case _:
                world.now += 1e6
        assert (standing(world).state, standing(world).reason) == (State.HALTED, Reason.OAUTH_ONLY)
        assert world.server.sent == before
    world.configured = world.server.password
    world.now += 1e6
    configure(world, allow_password=True)
    world.login(0)
    assert (world.server.sent, standing(world).state) == (before + 1, State.READY)


@pytest.mark.parametrize("changed", [{"allow_password": True}, {"exchange_online": False, "host": "mail.example"}])
def test_changed_settings_end_it_at_once(changed: dict[str, Any]) -> None:
    world = World(**THERE)
    halted(world)
    configure(world, **changed)
    assert standing(world).state is State.READY
    world.login(0)


def test_it_comes_before_what_the_ledger_says_and_hides_no_failure() -> None:
    world = World()
    fail(world, times=2)
    configure(world, **THERE)
    halted(world)
    assert (standing(world).failures, standing(world).remaining) == (2, 6)


@pytest.mark.parametrize("auth", ["oauth2-client", "oauth2-device", "oauth2-password"])
def test_tokens_go_there_as_ever(auth: Auth) -> None:
    world, tokens = token_world()
    given: Any = tokens
    given.auth = auth
    world.rules = replace(world.rules, **THERE)
    world.processes = [world.start(which) for which in (0, 1)]
    for process, _ in world.processes:
        process.source = tokens
    send(world)
    assert standing(world).state is State.READY


@given(st.sampled_from(["password", "oauth2-client", "oauth2-device", "oauth2-password"]), st.booleans(), st.booleans())
def test_what_the_settings_forbid(auth: Auth, there: bool, allowed: bool) -> None:
    rules = Rules("a@nhs.net", exchange_online=there, allow_password=allowed)
    assert rules.forbid(auth) == (auth == "password" and there and not allowed)


def test_where_somebody_insists_each_refusal_counts_and_is_explained_to_the_end() -> None:
    world = World(allow_password=True, **THERE)
    for number in range(5):
        with pytest.raises(LoginFailed):
            send(world, LoginFailed(failure(FailureClass.REJECTED, "password", said="login failed")))
        text = world.processes[0][1].advice()
        assert text.startswith('Exchange Online answers "LOGIN failed." to every password')
        assert standing(world).failures == number + 1
        world.now = standing(world).next_at or world.now
    assert (standing(world).state, standing(world).reason) == (State.HALTED, Reason.CREDENTIAL)
    with pytest.raises((NoAttempt, MailboxError)):
        world.login(0)
