"""An alert that the proxy keeps from its receiver: it is said that it was the proxy, and whom to ask."""

from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import pytest

from tests.rig.refusing_proxy import RefusingProxy, Script
from tests.unit.conftest import Lines
from worker.connections import Proxy
from worker.logs.redaction import Secret
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.channels import Relay, Webhook, channels_of, relay_of
from worker.observe.delivery import Delivery, NotSent, deliver
from worker.observe.send_failure import Why
from worker.observe.smtp_conversation import SmtpClient
from worker.settings import Settings

FIRING = Alert(Rule.HALTED, Phase.FIRING, "results@nhs.net", datetime(2026, 11, 23, 14, 5, tzinfo=UTC), 5)
PASSWORD = "Quiet-Harbour-73"


@pytest.mark.parametrize(("kind", "port"), [("hook", 443), ("relay", 25)])
def test_it_is_told(lines: Lines, kind: str, port: int) -> None:
    with RefusingProxy(Script([f"HTTP/1.1 403 Sodium 140 {PASSWORD}\r\n\r\n".encode()])) as refusing:
        proxy = Proxy.of(f"http://localhost:{refusing.port}", username="svc", password=PASSWORD, no_proxy=())
        connect = partial(SmtpClient, dialer=proxy)
        relay = Relay("relay", "mail.example", sender="a@trust.nhs.uk", to=["b@nhs.net"], connect=connect)
        with closing(Webhook("hook", Secret("https://mail.example/in"), proxy=proxy)) as hook:
            channel = hook if kind == "hook" else relay
            with pytest.raises(NotSent) as failure:
                channel.send(FIRING)
            assert deliver(channel, FIRING, rule="halted", state="firing") is Delivery.REFUSED
    assert failure.value.why is Why.PROXY
    assert f"doesn't allow connections to mail.example:{port} (HTTP 403)" in failure.value.said
    assert "whoever runs the proxy" in failure.value.said
    (told,) = [line for line in lines.all if line["event"] == "alert.not_sent"]
    assert told["cause"] == "proxy"
    for text in (lines.raw, failure.value.said):
        assert PASSWORD not in text
        assert "Sodium" not in text


def test_the_channels_of_the_settings_go_through_it() -> None:
    with RefusingProxy(Script([b"HTTP/1.1 403 No\r\n\r\n"])) as refusing:
        account = {"address": "results@nhs.net", "password_file": "/x"}
        relay = {"host": "mail.example", "from": "worker@trust.nhs.uk", "to": ["b@nhs.net"]}
        table = {"url": f"http://localhost:{refusing.port}"}
        alerts = {"teams_webhook": "https://mail.example/in", "relay": relay}
        settings = Settings.model_validate({"account": account, "alerts": alerts, "proxy": table})
        for channel in channels_of(settings):
            with pytest.raises(NotSent) as failure:
                channel.send(FIRING)
            assert failure.value.why is Why.PROXY
        with pytest.raises(NotSent) as failure:  # on this machine: straight, whatever no_proxy says
            relay_of(settings, "127.0.0.1").send(FIRING)
        assert failure.value.why is not Why.PROXY
