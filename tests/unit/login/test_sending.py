"""The sign-in for sending: nothing goes out beside a login that isn't well, and what is refused is tried less often."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.sending import READY, Sending
from worker.journal.database import JournalUnavailable
from worker.login.sending import FACT, WAITS, Hindered, Hindrance
from worker.login.standing import Reason, State
from worker.mailbox.login_failures import TRANSIENT, FailureClass, failure

ACCOUNT = "pathology.results@nhs.net"
DAY = 86_400.0


@pytest.fixture
def sending() -> Sending:
    return Sending(ACCOUNT)


def hindered(sending: Sending, *, by_person: bool = False) -> Hindered:
    with pytest.raises(Hindered) as caught:
        sending.sign_in(by_person=by_person).attempt()
    return caught.value


def test_a_token_is_given_once_its_count_is_on_the_disk(sending: Sending) -> None:
    attempt = sending.sign_in().attempt()
    assert attempt.token.secret == "token-1"
    assert sending.facts[FACT] == f"[1, {sending.now}]"
    assert "token-1" not in repr(attempt)
    attempt.taken()
    assert sending.facts[FACT] == "[0, 0.0]"


@pytest.mark.parametrize("by_person", [False, True])
@pytest.mark.parametrize("reason", [*FailureClass, *Reason])
def test_nothing_is_sent_while_the_login_is_halted(sending: Sending, reason: str, *, by_person: bool) -> None:
    sending.standing = replace(READY, state=State.HALTED, reason=reason)
    assert hindered(sending, by_person=by_person).why is Hindrance.LOGIN_HALTED
    assert (sending.asked, sending.facts) == ([], {}), "no token was asked for"


@pytest.mark.parametrize("by_person", [False, True])
@pytest.mark.parametrize("reason", [*FailureClass, *Reason])
def test_nothing_is_sent_while_the_login_waits_after_a_refusal(
    sending: Sending, reason: str, *, by_person: bool
) -> None:
    sending.standing = replace(READY, state=State.COOLING, reason=reason)
    if reason in TRANSIENT:  # the mail server is away, and nothing was said of the sign-in
        sending.sign_in(by_person=by_person).attempt()
        assert len(sending.asked) == 1
    else:
        assert hindered(sending, by_person=by_person).why is Hindrance.LOGIN_COOLING
        assert (sending.asked, sending.facts) == ([], {})


def test_nothing_is_done_beside_an_attempt(sending: Sending) -> None:
    sending.busy = True
    assert hindered(sending).why is Hindrance.ATTEMPT_IN_PROGRESS
    assert sending.asked == []


def test_a_sign_in_that_is_missing_is_told_in_its_own_words(sending: Sending) -> None:
    sending.missing = "The stored sign-in allows only reading."
    found = hindered(sending)
    assert (found.why, found.said) == (Hindrance.NO_SIGN_IN, sending.missing)
    assert sending.facts == {}, "nothing was refused"


def test_without_a_count_nothing_is_sent(sending: Sending) -> None:
    class Lost(Sending):
        @contextmanager
        def hold(self, *, wait: bool = True) -> Iterator[None]:
            raise JournalUnavailable("the disk is full")
            yield

    lost = Lost(ACCOUNT)
    assert hindered(lost).why is Hindrance.NO_COUNT
    assert lost.asked == []


def test_no_password_is_ever_used(sending: Sending) -> None:
    sending.kind = "password"
    with pytest.raises(TypeError):
        sending.sign_in().attempt()
    assert sending.asked == []


def test_a_refusal_of_the_sign_in_service_is_counted_and_explained(sending: Sending) -> None:
    sending.failure = failure(FailureClass.CONFIGURATION, "token", said="invalid_grant AADSTS65001")
    found = hindered(sending)
    assert found.why is Hindrance.TOKEN_REFUSED
    assert "invalid_grant, AADSTS65001" in found.said
    assert sending.facts[FACT] == f"[1, {sending.now}]"
    assert hindered(sending).why is Hindrance.RESTING
    assert len(sending.asked) == 1


@pytest.mark.parametrize("cls", [*sorted(TRANSIENT), FailureClass.LOST_AFTER_SENDING])
def test_a_sign_in_service_that_is_away_counts_for_nothing(sending: Sending, cls: FailureClass) -> None:
    sending.failure = failure(cls, "token")
    for _ in range(3):
        assert hindered(sending).why is Hindrance.NO_TOKEN
    assert sending.facts[FACT] == "[0, 0.0]"


def test_each_refusal_in_a_row_makes_the_wait_longer(sending: Sending) -> None:
    for tries, wait in enumerate([*WAITS, WAITS[-1], WAITS[-1]], 1):
        sending.sign_in().attempt()  # refused: nobody says otherwise
        assert len(sending.asked) == tries
        sending.now += wait - 1
        assert hindered(sending).why is Hindrance.RESTING
        sending.now += 1
    assert sending.asked == [False, *[True] * (len(WAITS) + 1)], "after a refusal a new token is asked for"


def test_a_person_waits_for_nothing_and_ends_the_wait(sending: Sending) -> None:
    for _ in range(4):
        sending.sign_in(by_person=True).attempt()
    assert hindered(sending).why is Hindrance.RESTING
    sending.sign_in(by_person=True).attempt().taken()
    sending.sign_in().attempt()


def test_a_clock_that_was_set_back_lengthens_no_wait(sending: Sending) -> None:
    sending.sign_in().attempt()
    sending.now -= 365 * DAY
    sending.sign_in().attempt()
    assert hindered(sending).why is Hindrance.RESTING
    sending.now += WAITS[1]
    sending.sign_in().attempt()


@pytest.mark.parametrize("stored", ["", "{", "[]", "[1]", '["a", 1]', "7", "[-3, 0]"])
def test_a_count_that_makes_no_sense_is_begun_anew(sending: Sending, stored: str) -> None:
    sending.facts[FACT] = stored
    sending.sign_in().attempt()
    assert sending.facts[FACT] == f"[1, {sending.now}]"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["taken", "refused", "spared", "token refused", "away", "crash"]),
            st.sampled_from(["ready", "halted", "cooling"]),
            st.floats(1, 2 * DAY),
        ),
        max_size=60,
    )
)
def test_whatever_happens_a_refused_sign_in_is_used_a_few_times_a_day_and_never_beside_a_halt(
    steps: list[tuple[str, str, float]],
) -> None:
    """Each step is a check for alerts after a restart: what comes of it, where the login stands, and the time."""
    sending = Sending(ACCOUNT)
    refused: list[float] = []
    for outcome, stands, passed in steps:
        sending.now += passed
        sending.standing = READY if stands == "ready" else replace(READY, state=State(stands), reason="rejected")
        kinds = {"token refused": FailureClass.SIGN_IN_AGAIN, "away": FailureClass.UNAVAILABLE}
        sending.failure = failure(kinds[outcome], "token", said="invalid_grant") if outcome in kinds else None
        before = len(sending.asked)
        with suppress(Hindered):
            attempt = sending.sign_in().attempt()
            if outcome == "taken":
                attempt.taken()
            elif outcome == "spared":
                attempt.spared()
        used = len(sending.asked) > before
        assert not used or stands == "ready"
        if used and outcome == "taken":
            refused.clear()
        if used and outcome in ("refused", "token refused", "crash"):
            refused.append(sending.now)
    in_a_day = [sum(at <= other < at + DAY for other in refused) for at in refused]
    assert max(in_a_day, default=0) <= len(WAITS), "at most five in the first day, then one a day"


@pytest.mark.parametrize("end", ["taken", "spared"])
def test_a_journal_that_is_lost_after_the_token_went_out_keeps_no_alert_back(end: str) -> None:
    class Lost(Sending):
        lost = False

        def remember(self, name: str, text: str, *, durable: bool = False) -> None:
            if self.lost:
                raise JournalUnavailable("the disk is full")
            super().remember(name, text, durable=durable)

    sending = Lost(ACCOUNT)
    attempt = sending.sign_in().attempt()
    sending.lost = True
    getattr(attempt, end)()
    assert hindered(sending).why is Hindrance.RESTING, "it goes on counting as refused"
