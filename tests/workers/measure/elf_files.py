"""ELF files made by hand."""

import struct

WRITE, ALLOC, CODE = 1, 2, 4


def elf(code, *, address=0x8000, variables=b"", zeros=0):
    """A program of code, of variables that begin with these bytes, and of zeros, with an entry of Thumb code."""
    content = code + variables
    header, program = 52, 32
    at = header + program
    sections = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (0, 1, ALLOC | CODE, address, at, len(code), 0, 0, 1, 0),
        (0, 1, ALLOC | WRITE, address + len(code), at + len(code), len(variables), 0, 0, 1, 0),
        (0, 8, ALLOC | WRITE, address + len(content), at + len(content), zeros, 0, 0, 1, 0),
        (0, 1, 0, 0, at, len(content), 0, 0, 1, 0),  # what is not loaded counts nowhere
    ]
    identity = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    numbers = (2, 40, 1, address | 1, header, at + len(content), 0, header, program, 1, 40, len(sections), 0)
    return b"".join([
        identity + struct.pack("<HHIIIIIHHHHHH", *numbers),
        struct.pack("<IIIIIIII", 1, at, address, address, len(content), len(content) + zeros, 7, 4),
        content,
        *(struct.pack("<IIIIIIIIII", *section) for section in sections),
    ])  # fmt: skip
