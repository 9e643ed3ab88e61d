"""The mailbox's size, and when to warn."""

import pytest
from pydantic import ValidationError

from worker.settings.mailbox_settings import MailboxSettings


def test_the_default_is_nhsmails_standard_mailbox() -> None:
    assert (MailboxSettings().size, MailboxSettings().warn) == (4_000_000_000, (80, 95))


def test_size_and_thresholds_are_taken() -> None:
    given = MailboxSettings.model_validate({"size": "50GB", "warn": [70, 90]})
    assert (given.size, given.warn) == (50_000_000_000, (70, 90))


@pytest.mark.parametrize("warn", [[95, 80], [80, 80], [80], [80, 95, 99], [0, 95], [80, 101], [0.8, 0.95], "80"])
def test_thresholds_are_two_per_cents_the_smaller_first(warn: object) -> None:
    with pytest.raises(ValidationError):
        MailboxSettings.model_validate({"warn": warn})
