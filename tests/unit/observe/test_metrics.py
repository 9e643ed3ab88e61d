"""Metrics: what is counted, and the state as it is at a scrape."""

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.observe import views
from worker.observe.metrics import Metrics
from worker.observe.view import StatusView


def samples(metrics: Metrics) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def shown(view: StatusView) -> dict[str, float]:
    metrics = Metrics()
    metrics.show(view)
    return samples(metrics)


def test_what_happens_is_counted() -> None:
    metrics = Metrics()
    metrics.attempted("rejected")
    metrics.polled("good", 0.2)
    metrics.tried("clean", "handled")
    metrics.tried("clean", "handled")
    metrics.judged_junk("exchange")
    metrics.handled("archive", "done", 0.3)
    found = samples(metrics)
    assert found["nhsmail_login_attempts_total{outcome=rejected}"] == 1
    assert found["nhsmail_polls_total{outcome=good}"] == 1
    assert found["nhsmail_poll_seconds_sum"] == 0.2
    assert found["nhsmail_message_outcomes_total{outcome=handled,path=clean}"] == 2
    assert found["nhsmail_junk_total{source=exchange}"] == 1
    assert found["nhsmail_handler_results_total{handler=archive,outcome=done}"] == 1
    assert found["nhsmail_handler_seconds_bucket{handler=archive,le=0.1}"] == 0
    assert found["nhsmail_handler_seconds_bucket{handler=archive,le=0.5}"] == 1


def test_the_login_is_shown() -> None:
    found = shown(views.COOLING)
    assert found["nhsmail_login_attempts_left"] == 6
    assert found["nhsmail_login_attempts_left_for_credential"] == 3
    assert found["nhsmail_account_attempts_left"] == 10
    assert found["nhsmail_login_failures"] == 2
    assert found["nhsmail_login_next_attempt_seconds"] == 540
    assert found["nhsmail_login_halted"] == 0
    assert found["nhsmail_login_state{state=cooling}"] == 1
    assert found["nhsmail_login_state{state=ready}"] == 0
    halted = shown(views.HALTED)
    assert halted["nhsmail_login_halted"] == 1
    assert halted["nhsmail_login_next_attempt_seconds"] == math.inf
    assert shown(views.WORKING)["nhsmail_login_next_attempt_seconds"] == 0


def test_the_mail_is_shown() -> None:
    found = shown(views.BACKLOG)
    assert found["nhsmail_last_good_poll_age_seconds"] == 12
    assert found["nhsmail_poll_interval_seconds"] == 60
    assert found["nhsmail_oldest_pending_message_seconds"] == 25_200
    assert found["nhsmail_messages{state=pending}"] == 8113
    assert found["nhsmail_dead_letters"] == 2
    assert found["nhsmail_junk_of_known_senders"] == 1
    assert found["nhsmail_unexplained_messages"] == 3
    assert math.isnan(found["nhsmail_mailbox_used_bytes"])
    assert found["nhsmail_mailbox_state{state=filling}"] == 0
    assert found["nhsmail_handler_circuit_open{handler=archive}"] == 1
    assert found["nhsmail_handler_circuit_open{handler=queue}"] == 0
    assert found["nhsmail_password_days_left"] == 9
    assert found["nhsmail_expiry_days_left{what=password}"] == 9
    assert found["nhsmail_expiry_days_left{what=client-secret}"] == 12
    assert found["nhsmail_expiry_days_left{what=refresh-token}"] == 87
    assert found["nhsmail_sign_in_age_seconds"] == 200 * 86_400
    assert found["nhsmail_sign_in_unused_seconds"] == 3 * 86_400
    assert found["nhsmail_build_info{version=0.1.0}"] == 1


@pytest.mark.parametrize(("name", "held"), [("working", 1), ("standing-by", 0), ("fresh", 0)])
def test_the_lease_is_shown(name: str, held: int) -> None:
    assert shown(views.ALL[name])["nhsmail_lease_held"] == held


def test_trouble_and_pauses_are_shown() -> None:
    assert shown(views.NO_JOURNAL)["nhsmail_journal_up"] == 0
    assert shown(views.WORKING)["nhsmail_journal_up"] == 1
    assert shown(views.PAUSED)["nhsmail_paused"] == 1
    forgotten = shown(views.FORGOTTEN)
    assert forgotten["nhsmail_paused_seconds"] == 93_600
    assert forgotten["nhsmail_arrived_while_paused"] == 1_204
    assert forgotten["nhsmail_last_look_age_seconds"] == 40
    assert math.isnan(shown(views.HALF_REBUILT)["nhsmail_arrived_while_paused"])
    working = shown(views.WORKING)
    assert (working["nhsmail_paused_seconds"], working["nhsmail_arrived_while_paused"]) == (0, 0)
    assert working["nhsmail_last_look_age_seconds"] == working["nhsmail_last_good_poll_age_seconds"]


def test_what_is_not_known_is_not_a_number_and_no_poll_counts_from_the_start() -> None:
    found = shown(views.FRESH)
    assert math.isnan(found["nhsmail_password_days_left"])
    assert math.isnan(found["nhsmail_expiry_days_left{what=password}"])
    assert math.isnan(found["nhsmail_sign_in_age_seconds"])
    assert math.isnan(found["nhsmail_sign_in_unused_seconds"])
    assert found["nhsmail_last_good_poll_age_seconds"] == 5


def test_two_sets_of_metrics_do_not_meet() -> None:
    first, second = Metrics(), Metrics()
    first.attempted("rejected")
    assert "nhsmail_login_attempts_total{outcome=rejected}" not in samples(second)


def test_how_full_the_mailbox_is_is_shown() -> None:
    found = shown(views.FILLING)
    assert found["nhsmail_mailbox_used_bytes"] == 3_310_000_000
    assert found["nhsmail_mailbox_limit_bytes"] == 4_000_000_000
    assert found["nhsmail_mailbox_days_until_full"] == 23
    assert found["nhsmail_mailbox_estimated"] == 1
    assert [found[f"nhsmail_mailbox_state{{state={state}}}"] for state in ("fine", "filling", "full")] == [0, 1, 0]
    assert shown(views.FULL)["nhsmail_mailbox_estimated"] == 0
