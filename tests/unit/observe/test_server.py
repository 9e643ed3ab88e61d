"""The server: where it doesn't serve."""

import pytest
from pydantic import SecretStr

from tests.unit.observe import views
from worker.observe.access import FixedToken, UnsafeAddress
from worker.observe.health import Health
from worker.observe.metrics import Metrics
from worker.observe.server import Server


@pytest.mark.parametrize("token", [None, FixedToken(SecretStr("short"))])
def test_beyond_loopback_there_is_no_serving_without_a_token(token: FixedToken | None) -> None:
    with pytest.raises(UnsafeAddress, match=r"health\.token_file"):
        Server(
            "0.0.0.0",  # noqa: S104 -- what is refused
            0,
            status=views.Source(views.WORKING),
            account="a@nhs.net",
            health=Health(pool=1),
            metrics=Metrics(),
            token=token,
        )
