"""winmail.dat: what is in it comes out, byte for byte; what is broken costs nothing."""

import struct
import time
from contextlib import suppress

import pytest
import tnefparse  # type: ignore[import-untyped]  # it ships no types
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.message.mime import winmail
from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.mime.tnef import Room, TnefError, TnefFile
from worker.message.mime.tnef import read as read_into


def read(data: bytes, limits: Limits = Limits()) -> list[TnefFile]:  # noqa: B008 -- frozen
    room = Room(limits)
    room.open(len(data))
    return read_into(data, room)


WHOLE = winmail.winmail(
    winmail.attribute(1, 0x0002_800C, b"body\0"),
    winmail.message_properties(winmail.number(0x0017, 1), winmail.named(0x8001, "x", 7)),
    winmail.file(
        "SHORT~1.PDF", b"%PDF\0\0\0", winmail.text(0x3707, "long name é.pdf"), winmail.text(0x370E, "application/PDF")
    ),
    winmail.file("b.txt", b"hello", winmail.variable(winmail.STRING, 0x3712, b"cid@x\0")),
)  # fmt: skip


def test_files_and_bodies_come_out_whole() -> None:
    assert read(WHOLE) == [
        TnefFile("body.txt", "text/plain", "", b"body"),
        TnefFile("long name é.pdf", "application/pdf", "", b"%PDF\0\0\0"),
        TnefFile("b.txt", "", "cid@x", b"hello"),
    ]


def test_the_library_finds_the_same_files() -> None:
    """A second opinion. The library isn't used for mail: counts in the file drive its loops."""
    theirs = tnefparse.TNEF(WHOLE, do_checksum=True)
    ours = [file for file in read(WHOLE) if file.name != "body.txt"]
    assert [attachment.data for attachment in theirs.attachments] == [file.data for file in ours]
    assert [attachment.name for attachment in theirs.attachments] == ["SHORT~1.PDF", "b.txt"]


def test_bodies_in_properties_come_out() -> None:
    data = winmail.winmail(
        winmail.message_properties(
            winmail.text(0x1000, "plain é"),
            winmail.variable(winmail.BINARY, 0x1013, b"<p>html</p>\0"),
            winmail.variable(winmail.BINARY, 0x1009, winmail.stored_rtf(b"{\\rtf1 x}")),
        )
    )
    assert [(file.name, file.data) for file in read(data)] == [
        ("body.txt", "plain é".encode()),
        ("body.html", b"<p>html</p>"),
        ("body.rtf", b"{\\rtf1 x}"),
    ]


def test_compressed_rtf_is_unpacked() -> None:
    """The examples of [MS-OXRTFCP], section 4.1."""
    simple = bytes.fromhex(
        "2d000000 2b000000 4c5a4675 f1c5c7a7 03000a00 72637067 31323542 320af320 68656c09 00206277 05b06c64 7d0a800f a0"
    )
    data = winmail.winmail(winmail.message_properties(winmail.variable(winmail.BINARY, 0x1009, simple)))
    assert read(data)[0].data == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    crossing = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    data = winmail.winmail(winmail.message_properties(winmail.variable(winmail.BINARY, 0x1009, crossing)))
    assert read(data)[0].data == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


def test_an_embedded_object_comes_without_its_interface_id() -> None:
    inner = winmail.variable(winmail.OBJECT, 0x3701, winmail.IMESSAGE + WHOLE)
    assert read(winmail.winmail(winmail.file("inner", b"", inner)))[0].data == WHOLE


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_broken_files_raise_one_error(at: int, change: bytes) -> None:
    for data in (WHOLE[:at], WHOLE[:at] + change + WHOLE[at + len(change) :], winmail.SIGNATURE + change):
        with suppress(TnefError):
            read(data)


@pytest.mark.parametrize(
    "properties",
    [
        struct.pack("<I", 0xFFFFFFFF),
        struct.pack("<IHHI", 1, 0x1002, 0x1000, 0xFFFFFFFF),
        struct.pack("<IHHI", 1, 0x101E, 0x1000, 0xFFFFFFFF),
        struct.pack("<IHHII", 1, 0x1E, 0x1000, 1, 0xFFFFFFFF),
        struct.pack("<IHHII", 1, 0x102, 0x1009, 1, 16) + struct.pack("<IIII", 0, 0xFFFFFFFF, 0x75465A4C, 0),
        struct.pack("<IHHII", 1, 0x102, 0x1009, 1, 18) + struct.pack("<IIII", 0, 100, 0x75465A4C, 0) + b"\x01\x00",
        struct.pack("<IHH", 1, 0x7777, 0x1000),
    ],
)
def test_counts_are_not_believed(properties: bytes) -> None:
    started = time.process_time()
    with pytest.raises(TnefError):
        read(winmail.winmail(winmail.attribute(1, 0x0006_9003, properties)))
    assert time.process_time() - started < 1


def test_many_small_attributes_take_linear_time() -> None:
    data = winmail.winmail(winmail.attribute(1, 1, b"") * 1_000_000)
    started = time.process_time()
    with pytest.raises(TnefError):
        read(data)
    assert time.process_time() - started < 3


def test_what_is_no_tnef_is_refused() -> None:
    with pytest.raises(TnefError):
        read(b"PK\x03\x04")
    with pytest.raises(TnefError):
        read(winmail.winmail())  # nothing in it: it is better kept


def test_repeated_bytes_are_those_that_are_being_written() -> None:
    assert read(winmail.with_rtf(winmail.packed_rtf(b"x", 100_000)))[0].data == b"x" * 100_000


def test_a_large_body_costs_little() -> None:
    started = time.process_time()
    assert len(read(winmail.with_rtf(winmail.packed_rtf(b"x", 15_000_000)))[0].data) == 15_000_000
    assert time.process_time() - started < 5


def test_a_message_has_one_rtf_body() -> None:
    with pytest.raises(TnefError):
        read(winmail.with_rtf(winmail.packed_rtf(b"x", 100), winmail.packed_rtf(b"y", 100)))


@pytest.mark.parametrize(
    ("limits", "limit"),
    [(Limits(rtf=99_999), "rtf"), (Limits(expansion=2), "expansion"), (Limits(attachments=0), "attachments")],
)
def test_a_body_over_a_limit_is_an_error_that_names_it(limits: Limits, limit: str) -> None:
    with pytest.raises(MessageOverLimit, match=f"'{limit}'"):
        read(winmail.with_rtf(winmail.packed_rtf(b"x", 100_000)), limits)


def test_too_many_files_are_refused_before_they_are_all_there() -> None:
    """One of 46 MB took a gigabyte of memory before it was refused."""
    data = winmail.winmail(winmail.attribute(2, 0x0006_9002, b"") * 1_000_000)
    started = time.process_time()
    with pytest.raises(MessageOverLimit, match="'attachments'"):
        read(data)
    assert time.process_time() - started < 0.5


def test_what_can_not_be_opened_takes_no_place() -> None:
    room = Room(Limits(attachments=3))
    room.open(len(WHOLE))
    with pytest.raises(TnefError):
        read_into(WHOLE[:-1], room)
    assert room.files == 3
    assert len(read_into(WHOLE, room)) == 3
    assert room.files == 0
