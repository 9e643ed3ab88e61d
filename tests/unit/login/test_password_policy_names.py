"""The policies by name, against rules written down anew, and what a person is told of a password that breaks one."""

import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.login.world import ACCOUNT, World
from worker.login.advice import refusal as advice
from worker.login.password_policy import PolicyName, Refusal, policy_named
from worker.login.refusals import CredentialRefused
from worker.logs.fields import FIELDS
from worker.mailbox.errors import LoginFailed

NAMES: tuple[PolicyName, ...] = get_args(PolicyName)
RULED = tuple(name for name in NAMES if name != "off")
OWNER = ("Jane", "O'Connor")
EXAMPLE = "correcthorsebattery"
"""A password that NHSmail takes today, and that breaks the policy text."""

LENGTH = "it is shorter than {} characters"
USER = "it contains the user name"
KINDS = "it has fewer than three of the four kinds: upper case, lower case, digits, symbols"
COMMA = "it contains a space or a comma"
SPACE = "it contains a space"
OWNERS = "it contains the owner's first or last name"
BEFORE = "it is one of the four previous passwords"

Rules = dict[str, Callable[[str], bool]]
TEXT: Rules = {
    LENGTH.format(8): lambda given: len(given) < 8,
    USER: lambda given: "pathology.results" in given.lower(),
    KINDS: lambda given: sum(bool(re.search(kind, given)) for kind in ("[A-Z]", "[a-z]", "[0-9]", "[^A-Za-z0-9]")) < 3,
    COMMA: lambda given: " " in given or "," in given,
}
"""NHSmail's policy text, for passwords in ASCII."""


def long(length: int) -> Rules:
    """What NHSmail's support pages have said since 2019."""
    return {
        LENGTH.format(length): lambda given: len(given) < length,
        SPACE: lambda given: " " in given,
        OWNERS: lambda given: any(name.lower() in given.lower() for name in OWNER),
    }


WRITTEN: dict[PolicyName, Rules] = {
    "nhsmail": TEXT,
    "nhsmail-2019": long(10),
    "application-account": long(20),
    "off": {},
}
PIECES = ("a", "Zq", "7", "!", " ", ",", "-", "99", "K", "horse", "correct", "jane", "O'CONNOR", "PATHOLOGY.Results")
passwords = st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join)


def refusal(password: str, name: PolicyName, *, previous: bool = False) -> Refusal | None:
    return policy_named(name, OWNER).refusal(password, ACCOUNT, is_previous=previous)


def takes(password: str, name: PolicyName, *, previous: bool = False) -> bool:
    return refusal(password, name, previous=previous) is None


@settings(max_examples=600)
@given(password=passwords, name=st.sampled_from(NAMES), previous=st.booleans())
def test_each_policy_is_what_is_written_of_it(password: str, name: PolicyName, *, previous: bool) -> None:
    broken = {rule for rule, breaks in WRITTEN[name].items() if breaks(password)}
    if previous and name != "off":
        broken.add(BEFORE)
    found = refusal(password, name, previous=previous)
    assert set(() if found is None else found.faults) == broken
    if found is not None:
        assert found.policy == name
        others = {
            other for other in RULED if not previous and not any(breaks(password) for breaks in WRITTEN[other].values())
        }
        assert set(found.passes) == others


@settings(max_examples=300)
@given(password=passwords, previous=st.booleans())
def test_the_policies_that_are_named_do_take_it(password: str, *, previous: bool) -> None:
    for name in RULED:
        found = refusal(password, name, previous=previous)
        for other in RULED:
            taken = takes(password, other, previous=previous)
            assert found is None or taken == (other in found.passes)
            assert found is None or taken == (f'"{other}"' in str(found).partition("; it would pass")[2])
    assert takes(password, "nhsmail-2019") or not takes(password, "application-account")
    assert takes(password, "off", previous=previous)


@given(
    password=st.text(max_size=40),
    name=st.sampled_from(NAMES),
    user=st.text(max_size=12),
    owner=st.lists(st.text(max_size=12)),
    previous=st.booleans(),
)
def test_whatever_the_password_is_only_fixed_words_are_said_of_it(
    password: str, name: PolicyName, user: str, owner: list[str], *, previous: bool
) -> None:
    found = policy_named(name, owner).refusal(password, f"{user}@nhs.net", is_previous=previous)
    if found is None:
        return
    fault = (
        rf"it is (shorter than (8|10|20) characters|empty|one of the four previous passwords)|{re.escape(KINDS)}|"
        rf"{SPACE}( or a comma)?|{OWNERS}|{USER}|it contains a line break or a NUL, which can't be sent"
    )
    one = rf'"({"|".join(NAMES)})"'
    where = rf'( \(policy {one}; (it would pass under {one}( and {one})*|only "off" would pass it)\))?'
    assert re.fullmatch(rf"({fault})(; ({fault}))*{where}", str(found))


@given(st.sampled_from(NAMES), st.sampled_from(["", "\n", "a\0b", "Correct-Horse-99-Battery\r"]))
def test_what_cannot_be_sent_passes_under_no_policy(name: PolicyName, password: str) -> None:
    found = refusal(password, name)
    assert found is not None
    assert (found.passes, found.sendable, "pass" in str(found)) == ((), False, False)


def test_the_refused_example_is_taken_under_the_right_name() -> None:
    found = refusal(EXAMPLE, "nhsmail")
    assert found == Refusal("nhsmail", (KINDS,), ("nhsmail-2019",))
    assert str(found) == f'{KINDS} (policy "nhsmail"; it would pass under "nhsmail-2019")'
    assert takes(EXAMPLE, "nhsmail-2019")
    assert str(refusal(EXAMPLE, "application-account")) == (
        'it is shorter than 20 characters (policy "application-account"; it would pass under "nhsmail-2019")'
    )
    assert takes(f"{EXAMPLE}s", "application-account")


@pytest.mark.parametrize(
    ("password", "under"),
    [
        ("correct-horse-battery", 'it would pass under "nhsmail-2019" and "application-account"'),
        ("correct,horse", 'it would pass under "nhsmail-2019"'),
        ("correct", 'only "off" would pass it'),
    ],
)
def test_a_person_reads_which_policy_would_do(password: str, under: str) -> None:
    assert str(refusal(password, "nhsmail")).endswith(f'(policy "nhsmail"; {under})')


@pytest.mark.parametrize("name", ["Li", "X", "", " "])
def test_names_of_one_or_two_characters_are_not_looked_for(name: str) -> None:
    assert policy_named("nhsmail-2019", (name,)).refusal("lilies-of-the-field-x", ACCOUNT) is None


def test_the_user_name_is_the_policy_texts_rule_alone() -> None:
    """The support pages name first and last name; a mailbox of a department has neither."""
    assert takes("pathology.results-7", "nhsmail-2019")
    assert not takes("Pathology.results-7", "nhsmail")


def test_the_owners_names_are_the_support_pages_rule_alone() -> None:
    assert takes("Janes-House-92", "nhsmail")
    assert not takes("janes-house-92", "nhsmail-2019")
    assert policy_named("nhsmail-2019").refusal("janes-house-92", ACCOUNT) is None  # not known


# -- through the guard -------------------------------------------------------------------------------------------------

marked = st.builds("{}{}{}".format, st.sampled_from(["", "A", "a,", "Aa-", "jane "]), st.just("zqx~7w"), passwords)


@settings(max_examples=150, deadline=None)
@given(password=marked, name=st.sampled_from(NAMES), wrong=st.booleans())
def test_a_password_is_in_no_text_that_the_guard_gives_or_keeps(
    password: str, name: PolicyName, *, wrong: bool
) -> None:
    world = World(policy=policy_named(name, OWNER))
    world.configured, world.server.password = password, "Another-Harbour-1" if wrong else password
    said = ""
    try:
        world.login(0)
    except (CredentialRefused, LoginFailed) as error:
        said = f"{error} {error!r} {error.__dict__}"
    assert (world.server.sent == 0) == (refusal(password, name) is not None)
    guard = world.processes[0][1]
    found = guard.refusal()
    texts = [said, guard.advice(), str(guard.status()), str(found), repr(found), str(world.events), str(world.store)]
    assert not any("zqx~7w" in text for text in texts)
    with suppress(CredentialRefused):
        guard.foresee()


def test_a_refused_password_is_sent_as_soon_as_the_right_policy_is_named() -> None:
    world = World(policy=policy_named("nhsmail"))
    world.configured = world.server.password = EXAMPLE
    with pytest.raises(CredentialRefused, match='would pass under "nhsmail-2019"'):
        world.login(0)
    again = World(policy=policy_named("nhsmail-2019"))
    again.configured = again.server.password = EXAMPLE
    again.login(0)
    assert (world.server.sent, again.server.sent) == (0, 1)


@pytest.mark.parametrize("name", RULED)
def test_the_four_previous_are_refused_under_every_policy(name: PolicyName) -> None:
    world = World(policy=policy_named(name))
    used = [f"Correct-Horse-Battery-{number}" for number in range(6)]
    for password in used:
        world.configured = world.server.password = password
        world.login(0)
    for password in used[1:5]:
        world.configured = password
        with pytest.raises(CredentialRefused) as refused:
            world.login(0)
        assert refused.value.faults == [BEFORE]
        assert 'only "off" would pass it' in refused.value.advice
        found = world.processes[0][1].refusal()
        assert found is not None
        assert found.faults == (BEFORE,)
    world.configured = world.server.password = used[0]
    world.login(0)


@pytest.mark.parametrize("restart", [True, False])
def test_the_advice_fits_into_a_line_of_the_log_whatever_is_broken(*, restart: bool) -> None:
    account = f"{'a' * 56}@nhs.net"
    pattern = FIELDS["advice"][0]
    worst = f"{account[:56]} ,jane"
    for name, password in itertools.product(RULED, (worst, "a, ")):
        found = policy_named(name, ["Jane"]).refusal(password, account, is_previous=True)
        text = advice(str(found), account, needs_restart=restart)
        assert pattern.fullmatch(text), len(text)  # type: ignore[union-attr] # a pattern
