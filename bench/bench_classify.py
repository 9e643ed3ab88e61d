"""What classifying costs: a median below 0.5 ms per message, compared with a plain header parse; linear in the size.

Run `pytest bench/bench_classify.py`. The ratios are part of each result's extra information, and printed with `-s`.
"""

from collections.abc import Callable
from email.message import Message
from email.parser import BytesHeaderParser
from statistics import median
from time import thread_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.data.spam.write import INGRESS, INTERNAL, LETTER, OUTSIDE, report
from worker.classify import classify
from worker.message.verdict import MailPath, Verdict

Headers = list[tuple[str, str]]

# A header block like those of Exchange Online: 8 kB, 60 headers, with the verdicts at the end.
TYPICAL = (
    INTERNAL
    + "Authentication-Results: spf=pass (sender IP is 192.0.2.31)\n smtp.mailfrom=sender.example; dkim=pass;\n"
    + " dmarc=pass action=none header.from=sender.example;compauth=pass reason=100\n"
    + INGRESS
    + OUTSIDE
    + "".join(f"ARC-Part-{n}: i=1; a=rsa-sha256; b={'A' * 300}\n" for n in range(4))
    + LETTER
    + "".join(f"X-MS-Exchange-Part-{n}: {'b' * 60}\n" for n in range(38))
    + f"X-Forefront-Antispam-Report: {report('NSPM', 'NONE', '1')}\n"
    + "X-Microsoft-Antispam: BCL:0;ARA:13230040|376014|7093399015;\n"
    + "X-Microsoft-Antispam-Mailbox-Delivery: ucf:0;jmr:0;auth:0;dest:I;ENG:(910001)(944506478);\n"
    + f"X-Microsoft-Antispam-Message-Info: {'c' * 2500}\n"
    + "X-MS-Exchange-Organization-SCL: 1\n"
)
RAW = TYPICAL.replace("\n", "\r\n").encode()
HOSTILE: dict[str, Callable[[int], Headers]] = {
    "one header": lambda size: [("X-Forefront-Antispam-Report", "SFV:" * (size // 4))],
    "verdict headers": lambda size: [("X-Spamd-Result", "default: True [" + " " * 85)] * (size // 100),
    "folds": lambda size: [("X-Spam-Status", "Yes,\r\n" + " " * 94)] * (size // 100),
    "hops": lambda size: [("Received", "from a.nhs.net (" + "(" * 60 + ") by b.nhs.net; x")] * (size // 100),
    "comments": lambda size: [("Received", "(" * size)],
    "a name": lambda size: [("X" * size, "Yes")],
}


def seconds(call: Callable[[], object], times: int) -> float:
    """Return the median CPU time of some calls, which other load on the machine affects less than elapsed time."""
    taken = []
    for _ in range(times):
        started = thread_time()
        call()
        taken.append(thread_time() - started)
    return median(taken)


def parse() -> Message:
    return BytesHeaderParser().parsebytes(RAW)


def test_a_typical_message(benchmark: BenchmarkFixture) -> None:
    headers = list(parse().raw_items())
    verdict: Verdict = benchmark(classify, headers, in_junk_folder=False)
    assert verdict.path is MailPath.CLEAN
    assert len(verdict.evidence) == 7
    cost = seconds(lambda: classify(headers, in_junk_folder=False), 500)
    ratio = cost / seconds(parse, 500)
    benchmark.extra_info["ratio_to_a_plain_header_parse"] = round(ratio, 3)
    print(f"\nclassify: {cost * 1e6:.0f} microseconds a message at the median, {ratio:.2f} of a plain header parse")
    assert cost < 0.0005


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_headers_cost_what_their_size_costs(benchmark: BenchmarkFixture, kind: str) -> None:
    """Ten times the size takes about ten times as long. The bound of twenty allows for a busy machine."""
    small, large = HOSTILE[kind](100_000), HOSTILE[kind](1_000_000)
    benchmark(lambda: classify(large, in_junk_folder=False))
    cost = seconds(lambda: classify(large, in_junk_folder=False), 5)
    growth = cost / max(seconds(lambda: classify(small, in_junk_folder=False), 5), 0.0001)
    benchmark.extra_info["growth_at_ten_times_the_size"] = round(growth, 1)
    print(f"\n{kind}: {cost * 1e3:.1f} ms for a megabyte, {growth:.1f} times that of a tenth")
    assert growth < 20
