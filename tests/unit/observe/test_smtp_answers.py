"""What a server's refusal means: by its step, its code, and words that may change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.observe.send_advice import possible
from worker.observe.send_failure import Why
from worker.observe.smtp_answers import Step, why_refused


@given(st.sampled_from(Step), st.integers(400, 599), st.text(max_size=80))
def test_any_refusal_means_something_that_a_person_is_told(step: Step, code: int, said: str) -> None:
    found = why_refused(step, code, f"{code} {said}")
    assert found in possible("relay") or (step is Step.AUTH and found in possible("submission"))
    if step is not Step.AUTH:
        assert found not in (Why.SMTP_AUTH_OFF, Why.SIGN_IN_BLOCKED, Why.TOKEN_NOT_TAKEN)
    if 400 <= code < 500 and found is not Why.SEND_AS_DENIED:
        assert found in (Why.THROTTLED, Why.NO_ROOM)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("535 5.7.139 unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", "smtp-auth-off"),
        ("535 5.7.139 smtpclientauthentication  is disabled for the Mailbox", "smtp-auth-off"),
        ("535 5.7.139 user is locked by your organization's security defaults policy", "sign-in-blocked"),
        ("535 5.7.3 Authentication unsuccessful", "token-not-taken"),
        ("535 no", "token-not-taken"),
        ("501 5.5.4 Invalid arguments", "no-xoauth2"),
    ],
)  # fmt: skip
def test_the_words_at_the_sign_in(said: str, why: str) -> None:
    assert why_refused(Step.AUTH, int(said[:3]), said) == why
