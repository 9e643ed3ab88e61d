"""Base64 as broken programs send it: nothing of it is lost."""

import base64
import hashlib
import itertools
import random
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.message.mime.limits import Limits
from worker.message.mime.parts import parse
from worker.message.mime.transfer_encoding import decoded, digest_of_decoded

HEAD = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"


def read(body: bytes, head: bytes = HEAD) -> bytes:
    (part,) = parse(head + body, Limits())
    return part.read()


@given(st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=10), st.sampled_from([b"\r\n", b"", b"\n"]))
def test_pieces_that_were_encoded_one_by_one(pieces: list[bytes], between: bytes) -> None:
    assert read(between.join(map(base64.b64encode, pieces)) + b"\r\n") == b"".join(pieces)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"YWJjZA==\r\nZWZnaA==\r\n", b"abcdefgh"),
        (b"YWJj=\r\nZGVm\r\n", b"abcdef"),
        (b"YWJjZA==\r\n-- \r\nThe list, and its rules\r\n", b"abcd"),
        (b"YWJjZA==\r\nZWZnaA==\r\nRegards\r\n", b"abcdefgh"),
        (b"YWJj ZA ==\r\n", b"abcd"),
        (b"YWJjZA\r\n", b"abcd"),
        (b"YWJjZ\r\n", b"abc"),
        (b"Y!W:Jj\r\n", b"abc"),
        (b"", b""),
        (b"YW=Jj\r\n", b"abc"),
        (b"Y=WJj\r\n", b"abc"),
        (b"YWJjZA=\r\n=ZWZnaA==\r\n", b"abcdefgh"),
        (b"YWJjZA==\r\n-- \r\nJohn\r\n", b"abcd"),
        (b"====", b""),
        (b"A\r\n", b"A\r\n"),
    ],
)
def test_broken_base64(body: bytes, data: bytes) -> None:
    assert read(body) == data


@pytest.mark.parametrize("encoding", [b'"base64"', b' "BASE64" ', b"base64;", b"base64 (as ever)"])
def test_the_encoding_as_some_write_it(encoding: bytes) -> None:
    assert read(b"YWJj\r\n", b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n") == b"abc"


@pytest.mark.parametrize("piece", [b"YQ==", b"=", b"YQ=", b"Y=", b"!=", b"YWJj!"])
def test_it_takes_time_in_proportion_to_the_size(piece: bytes) -> None:
    started = time.process_time()
    read(piece * (4_000_000 // len(piece)))
    assert time.process_time() - started < 5


WIDTHS = st.sampled_from([4, 60, 64, 72, 75, 76, 76, 76, 78, 998])
BREAKS = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\n"])


@given(
    data=st.binary(min_size=1, max_size=2_000),
    width=WIDTHS,
    end=BREAKS,
    last=st.sampled_from([b"", b"\r\n", b"\n", b"\r\n\r\n"]),
    put=st.none() | st.tuples(st.integers(0, 3_000), st.sampled_from([b"\r", b"\n", b"\r\n", b"=", b"!", b" ", b"A"])),
    cuts=st.lists(st.integers(0, 3_000), max_size=3),
)
@example(b"x" * 200, 76, b"\r\n", b"\r\n", (10, b"\n"), [])
def test_lines_of_any_length_with_anything_in_them(
    data: bytes, width: int, end: bytes, last: bytes, put: tuple[int, bytes] | None, cuts: list[int]
) -> None:
    """As if each line ending was looked for, and the rest was one line. cuts: where the bytes are cut in pieces."""
    letters = base64.b64encode(data)
    body = end.join(letters[at : at + width] for at in range(0, len(letters), width)) + last
    if put is not None:
        body = body[: put[0]] + put[1] + body[put[0] :]
    places = [0, *sorted(cuts), len(body)]
    spans = [body[start:stop] for start, stop in itertools.pairwise(places)]
    in_one = decoded([body.translate(None, b"\r\n")], "base64")
    assert decoded(spans, "base64") == in_one
    assert digest_of_decoded(spans, "base64", hashlib.sha256) == hashlib.sha256(decoded(spans, "base64")).digest()


def test_a_part_of_many_pieces_with_lines_of_any_length() -> None:
    data = random.Random(1).randbytes(2_000_000)
    for width, end in ((76, b"\r\n"), (76, b"\n"), (72, b"\r\n"), (76, b"\r")):
        letters = base64.b64encode(data)
        body = end.join(letters[at : at + width] for at in range(0, len(letters), width))
        assert decoded([memoryview(body)], "base64") == data
        assert digest_of_decoded([memoryview(body)], "base64", hashlib.sha256) == hashlib.sha256(data).digest()
