"""Base64 as broken programs send it: nothing of it is lost."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.message.mime.limits import Limits
from worker.message.mime.parts import parse

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
