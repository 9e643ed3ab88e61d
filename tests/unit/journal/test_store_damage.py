"""Whatever bytes of the journal's file are damaged: it opens, or it is said to be damaged, so that a rebuild helps."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.journal.database import Database, JournalDamaged
from worker.journal.store import FILE, Journal

ADDRESS = "pathology.results1@nhs.net"
PAGE = 4096
HEADER = 100


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a new journal."""
    folder = tmp_path_factory.mktemp("whole")
    opens(folder)
    return (folder / FILE).read_bytes()


def opens(folder: Path) -> bool:
    """Whether the journal there opens; if it doesn't, it is said to be damaged."""
    with closing(Journal(folder, None, lambda: 60.0)) as journal:
        try:
            journal.open(ADDRESS)
        except JournalDamaged:
            return False
    return True


@st.composite
def damages(draw: st.DrawFn) -> tuple[int, bytes]:
    """Where bytes are overwritten, and with what: single bytes, stretches, and everything from one place on."""
    near = draw(st.sampled_from([0, HEADER, PAGE, 5 * PAGE, 20 * PAGE]))
    at = near + draw(st.integers(0, PAGE - 1))
    length = draw(st.sampled_from([1, 1, 8, 64, PAGE, 30 * PAGE]))
    noise = draw(st.randoms(use_true_random=False)).randbytes(length)
    return at, noise


@given(places=st.lists(damages(), min_size=1, max_size=5))
def test_a_damaged_file_opens_or_is_damaged(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, bytes]]
) -> None:
    damaged = bytearray(whole)
    for at, noise in places:
        damaged[at : at + len(noise)] = noise[: max(0, len(whole) - at)]
    folder = tmp_path_factory.mktemp("damaged")
    (folder / FILE).write_bytes(damaged)
    opens(folder)


@pytest.mark.parametrize("version", [5, 127, 255])
def test_a_file_of_an_unknown_format_is_damaged(whole: bytes, tmp_path: Path, version: int) -> None:
    """The byte at 47 of an SQLite file is the last of its schema's format, which is 1 to 4."""
    damaged = bytearray(whole)
    damaged[47] = version
    (tmp_path / FILE).write_bytes(damaged)
    assert not opens(tmp_path)


def test_a_row_that_says_it_is_larger_than_any_is_damaged(tmp_path: Path) -> None:
    with (
        closing(Database(f"sqlite:///{tmp_path / FILE}")) as database,
        pytest.raises(JournalDamaged, match="too big"),
        database.read() as connection,
    ):
        connection.exec_driver_sql("SELECT zeroblob(2000000000)")


def test_a_text_that_is_none_is_damaged(tmp_path: Path) -> None:
    with (
        closing(Database(f"sqlite:///{tmp_path / FILE}")) as database,
        pytest.raises(JournalDamaged, match="could not decode"),
        database.read() as connection,
    ):
        connection.exec_driver_sql("SELECT CAST(x'a5fe' AS TEXT)").scalar()


def test_a_version_that_is_no_number_is_damaged(tmp_path: Path) -> None:
    assert opens(tmp_path)
    with closing(Database(f"sqlite:///{tmp_path / FILE}")) as database, database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '004' || char(30)")
    assert not opens(tmp_path)
