"""The report: every step once and in order, and the exit code of the first that keeps the worker from its mail."""

from hypothesis import given
from hypothesis import strategies as st

from worker.commands.doctor.steps import OF_TOKENS, ORDER, Mark, Report, Step, in_order, note, ok, wrong
from worker.commands.exits import ExitCode

CODES = (ExitCode.FINDING, ExitCode.UNREACHABLE, ExitCode.NOT_NOW, ExitCode.HALTED, ExitCode.CONFIGURATION)
NAMES = st.sampled_from(ORDER)
STEPS = st.one_of(
    st.builds(ok, NAMES, st.just("it holds")),
    st.builds(note, NAMES, st.just("it holds")),
    st.builds(wrong, NAMES, st.just("it doesn't"), who=st.just("you"), code=st.sampled_from(CODES)),
)
FOUND = st.lists(STEPS, unique_by=lambda step: step.name)


@given(found=FOUND, has_tokens=st.booleans())
def test_every_step_stands_there_once_and_in_order(found: list[Step], *, has_tokens: bool) -> None:
    steps = in_order(found, has_tokens=has_tokens)
    names = [step.name for step in steps]
    assert names == [name for name in ORDER if name in names]
    assert {step.name for step in found} <= set(names)
    assert [step for step in steps if step.mark is not Mark.SKIPPED and step not in found] == []
    skipped = {step.name for step in steps if step.mark is Mark.SKIPPED}
    if not has_tokens:
        assert not skipped & OF_TOKENS
    direct = {"sign-in-dns", "sign-in-port"}
    assert "sign-in-proxy" not in skipped
    assert has_tokens is False or direct <= set(names) or "sign-in-proxy" in names


@given(found=FOUND)
def test_the_exit_code_is_of_the_first_step_that_stops_the_worker(found: list[Step]) -> None:
    report = Report("a@nhs.net", "password", "host", 993, in_order(found, has_tokens=True))
    faults = [step.code for step in report.steps if step.is_wrong]
    stops = [code for code in faults if code is not ExitCode.FINDING]
    expected = stops[0] if stops else ExitCode.FINDING if faults else ExitCode.DONE
    assert report.code == expected
    assert report.as_json()["ok"] is (report.code == 0)
    assert [one["step"] for one in report.as_json()["steps"]] == [step.name for step in report.steps]


def test_what_was_not_looked_at_names_the_first_fault() -> None:
    code = ExitCode.UNREACHABLE
    found = [wrong("discovery", "no", who="you", code=code), ok("clock", "right"), wrong("mail-dns", "odd", who="you")]
    found.append(wrong("mail-tls", "no", who="you", code=code))
    steps = {step.name: step for step in in_order(found, has_tokens=True)}
    assert steps["login"].found == "Not checked, because of mail-tls."
