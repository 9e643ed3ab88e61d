"""The examples of the page on junk are true."""

import doctest
from pathlib import Path

from worker.classify.policy import PROVIDER_HOSTS

PAGE = Path(__file__).parents[3] / "docs" / "junk.md"


def test_the_examples_do_what_they_say() -> None:
    # The blank line before a closing fence ends the expected output; the fences themselves are prose to doctest.
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.attempted >= 10
    assert result.failed == 0


def test_the_page_names_the_default_hosts() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{host}`" in text for host in PROVIDER_HOSTS)
