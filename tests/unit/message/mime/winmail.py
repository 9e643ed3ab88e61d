"""A maker of winmail.dat files ([MS-OXTNEF])."""

import struct

SIGNATURE = b"\x78\x9f\x3e\x22\x01\x00"
STRING, UNICODE, BINARY, OBJECT = 0x1E, 0x1F, 0x102, 0x0D
IMESSAGE = bytes.fromhex("07030200000000 00c000000000000046".replace(" ", ""))


def winmail(*attributes: bytes) -> bytes:
    return SIGNATURE + attribute(1, 0x0006_9007, struct.pack("<II", 1252, 0)) + b"".join(attributes)


def attribute(level: int, identifier: int, data: bytes) -> bytes:
    return struct.pack("<BII", level, identifier, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def file(title: str, data: bytes, *items: bytes) -> bytes:
    """An attachment, with properties where there are any."""
    made = attribute(2, 0x0006_9002, bytes(14)) + attribute(2, 0x0001_8010, title.encode("cp1252") + b"\0")
    made += attribute(2, 0x0006_800F, data) if data else b""
    return made + (attribute(2, 0x0006_9005, properties(*items)) if items else b"")


def message_properties(*items: bytes) -> bytes:
    return attribute(1, 0x0006_9003, properties(*items))


def properties(*items: bytes) -> bytes:
    return struct.pack("<I", len(items)) + b"".join(items)


def text(identifier: int, value: str) -> bytes:
    return variable(UNICODE, identifier, value.encode("utf-16-le") + b"\0\0")


def variable(kind: int, identifier: int, data: bytes) -> bytes:
    return struct.pack("<HHII", kind, identifier, 1, len(data)) + data + bytes(-len(data) % 4)


def number(identifier: int, value: int) -> bytes:
    return struct.pack("<HHI", 3, identifier, value)


def named(identifier: int, name: str, value: int) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    head = struct.pack("<HH", 3, identifier) + bytes(16) + struct.pack("<II", 1, len(encoded))
    return head + encoded + bytes(-len(encoded) % 4) + struct.pack("<I", value)


def stored_rtf(data: bytes) -> bytes:
    return struct.pack("<IIII", len(data) + 12, len(data), 0x414C454D, 0) + data


def packed_rtf(letter: bytes, size: int) -> bytes:
    """Compressed RTF of one letter again and again, as dense as it gets."""
    data, written = bytearray(b"\0" + letter * 8), 207 + 8
    while written < 207 + size:
        data.append(0xFF)
        for _ in range(8):
            back = (written - 1) % 4096
            data += bytes([back >> 4, (back & 15) << 4 | 15])
            written += 17
    return struct.pack("<IIII", len(data) + 12, size, 0x75465A4C, 0) + bytes(data)


def with_rtf(*bodies: bytes) -> bytes:
    return winmail(*(message_properties(variable(BINARY, 0x1009, body)) for body in bodies))
