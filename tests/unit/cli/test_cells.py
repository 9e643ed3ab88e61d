"""Texts in the cells of a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from worker.cli.cells import cells_of, cut, fitting, padded, wrapped

TEXT = st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))).map(lambda text: " ".join(text.split()))


@given(TEXT, st.integers(4, 80))
def test_wrapped_lines_fit_and_hold_all_of_the_text(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cells_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(TEXT, st.integers(4, 80))
def test_a_cut_text_fits_and_says_that_it_was_cut(text: str, width: int) -> None:
    shown = cut(text, width)
    assert cells_of(shown) <= width
    assert shown == text if cells_of(text) <= width else shown.endswith("…")
    assert text.startswith(shown.removesuffix("…"))


def test_a_text_is_broken_between_words_where_that_is_possible() -> None:
    assert wrapped("exchange SFV:SPM, placement junk-folder", 20) == ["exchange SFV:SPM,", "placement", "junk-folder"]
    assert wrapped("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert wrapped("", 4) == [""]


def test_a_character_that_may_be_wide_counts_as_two_cells() -> None:
    assert cells_of("a報") == 3
    assert fitting("報報報", 4) == 2
    assert fitting("報", 1) == 1, "at least one, or there would be no end"
    assert padded("報", 4) == "報  "
