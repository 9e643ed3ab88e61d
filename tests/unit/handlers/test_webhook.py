"""What `webhook` says of the far end: an answer about the address or the credentials is an outage."""

import pytest

from handlers.webhook import CertificateRefused, Webhook, WebhookRefused
from worker.handling.failure import CallFailure
from worker.handling.outage import About


@pytest.mark.parametrize("error", [WebhookRefused(), CertificateRefused()])
def test_what_is_about_the_far_end_is_an_outage(error: Exception) -> None:
    assert CallFailure.of(error, Webhook.outages).about is About.TARGET
