"""The labelled set: the path and the evidence are right for every header block in it."""

from time import process_time

import pytest

from tests.data.spam import FILE, Case, load, write
from worker.classify import classify
from worker.message.verdict import MailPath

CASES = load()


def test_the_set_is_what_its_writer_writes() -> None:
    assert FILE.read_text(encoding="utf-8") == write.rows()


def test_the_set_is_large_and_has_both_paths() -> None:
    assert len(CASES) >= 300
    assert len({case.name for case in CASES}) == len(CASES)
    assert min(sum(case.junk for case in CASES), sum(not case.junk for case in CASES)) >= 100


@pytest.mark.parametrize("case", CASES, ids=[str(number) for number in range(len(CASES))])
def test_path_and_evidence(case: Case) -> None:
    headers = case.headers
    started = process_time()
    verdict = classify(headers, in_junk_folder=case.in_junk_folder, keywords=frozenset(case.keywords))
    assert process_time() - started < 2, "a hostile block must cost what its size costs"  # about 0.02 s here
    pieces = verdict.evidence
    assert {(p.source, p.header, p.value) for p in pieces if p.counts} == set(case.counts), case.name
    unheard = {(p.source, p.header, p.value) for p in pieces if p.reason.startswith(("ignored: ", "recorded only: "))}
    assert unheard == set(case.ignored), case.name
    assert verdict.path is (MailPath.JUNK if case.junk else MailPath.CLEAN), case.name
