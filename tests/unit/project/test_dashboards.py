"""Alert rules and the dashboard ask for metrics that exist, with labels that they have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it comes without types

from tests.unit.observe import views
from worker.login.expiry import TABLE
from worker.observe.alerts import EXPIRING, Rule
from worker.observe.metrics import Metrics

DEPLOY = Path(__file__).parents[3] / "deploy"
WRITTEN_BY_PROMETHEUS = {"job", "instance", "le"}


def _given() -> dict[str, set[str]]:
    """Every metric that a worker gives, and its labels."""
    metrics = Metrics()
    metrics.attempted("rejected")
    metrics.polled("good", 1)
    metrics.tried("clean", "handled")
    metrics.judged_junk("exchange")
    metrics.handled("archive", "done", 1)
    metrics.show(views.BACKLOG)
    return {
        sample.name: set(sample.labels)
        for family in metrics.registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


GIVEN = _given()


def _rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def _dashboard() -> dict[str, Any]:
    dashboard: dict[str, Any] = json.loads((DEPLOY / "grafana" / "nhsmail-worker.json").read_text())
    return dashboard


def _queries() -> Iterator[str]:
    yield from (rule["expr"] for rule in _rules())
    for panel in _dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.mark.parametrize("query", tuple(_queries()))
def test_a_query_asks_for_what_there_is(query: str) -> None:
    asked = set(re.findall(r"\b(?:nhsmail|process)_[a-z_]+", query))
    assert asked
    assert asked <= GIVEN.keys()
    assert query.count("(") == query.count(")")
    labels = {label for group in re.findall(r"\bby \(([^)]*)\)", query) for label in group.split(", ")}
    labels |= set(re.findall(r"(\w+)=~?\"", query))
    assert labels <= WRITTEN_BY_PROMETHEUS.union(*(GIVEN[name] for name in asked))


def test_every_rule_says_what_it_is_and_what_to_do() -> None:
    rules = _rules()
    names = [rule["alert"] for rule in rules]
    assert len(names) == len(set(names))
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_prometheus_is_told_to_watch_what_the_worker_itself_alerts_on() -> None:
    watched = " ".join(rule["expr"] for rule in _rules())
    of = {
        Rule.HALTED: "nhsmail_login_halted",
        Rule.COOLING_TWICE: "nhsmail_login_failures >= 2",
        **{rule: f'nhsmail_expiry_days_left{{what="{thing}"}} < 30' for thing, rule in EXPIRING.items()},
        Rule.NOT_POLLING: "nhsmail_last_look_age_seconds",
        Rule.PAUSED: "nhsmail_paused_seconds > 3600",
        Rule.OLDEST_MESSAGE: "nhsmail_oldest_pending_message_seconds > 3600",
        Rule.DEAD_LETTERS: "nhsmail_dead_letters",
        Rule.JUNK_OF_KNOWN_SENDER: "nhsmail_junk_of_known_senders",
        Rule.ANOTHER_WORKER: "nhsmail_unexplained_messages > 0",
        Rule.MAILBOX_FILLING: 'nhsmail_mailbox_state{state="filling"} == 1',
        Rule.MAILBOX_FULL: 'nhsmail_mailbox_state{state="full"} == 1',
        Rule.HANDLER_FAILING: "nhsmail_handler_circuit_open",
        Rule.HANDLERS_STUCK: "nhsmail_handlers_stuck > 0",
        Rule.JOURNAL: "nhsmail_journal_up == 0",
    }
    assert of.keys() == set(Rule)
    assert all(metric in watched for metric in of.values())


def test_each_thing_that_expires_has_a_rule_in_the_tables_words() -> None:
    rules = {rule["expr"]: rule["annotations"] for rule in _rules()}
    for thing, row in TABLE.items():
        said = rules[f'nhsmail_expiry_days_left{{what="{thing}"}} < 30']
        assert said["summary"] == f"{row.noun} expires in {{{{ $value }}}} days"
        assert said["description"] == row.do.replace("`", "")


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        taken |= cells
        assert at["x"] + at["w"] <= 24
