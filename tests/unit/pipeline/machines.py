"""How the state machines of this room are run."""

import io
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from worker.logs.log import configure as configure_logging


def quietly() -> None:
    """Keep what the worker logs of thousands of invented faults out of the output."""
    configure_logging(level="error", format="json", stream=io.StringIO(), hooks=False)


def run(
    machine: type[RuleBasedStateMachine], *, examples: int, steps: int, phases: Sequence[Phase] = tuple(Phase)
) -> None:
    """Run a state machine so many times, with at most so many steps each."""
    quietly()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=phases,
            print_blob=True,
        ),
    )
