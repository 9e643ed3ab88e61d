"""What is printed of why a message is where it is."""

from worker.cli.why_lines import why_lines
from worker.commands.why import Why


def test_the_reason_comes_first_and_the_command_has_a_line_of_its_own() -> None:
    why = Why("It failed.", (("Key", "k1"), ("First seen", "today")), ("Free space.", "Then:"), "nhsmail-worker x")
    assert why_lines(why) == [
        "It failed.",
        "",
        "  Key:        k1",
        "  First seen: today",
        "",
        "What to do:",
        "  Free space.",
        "  Then:",
        "    nhsmail-worker x",
        "",
    ]


def test_where_nothing_is_to_be_done_nothing_is_said_of_it() -> None:
    assert why_lines(Why("It was handled.", (("Key", "k1"),))) == ["It was handled.", "", "  Key: k1", ""]
