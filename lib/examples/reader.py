# SPDX-License-Identifier: MIT
"""Prints the parameters that parameters.cc has set, as that does: with numpy, or else with struct.

Run: PYTHONPATH=PREFIX/lib/python3/dist-packages python3 reader.py
"""

import struct
import sys

import segfs

try:
    import numpy
except ImportError:
    numpy = None

BLOCK = [("changes", "u8"), ("values", "f8", 8)]
LAYOUT = "=Q8d"  # the same for struct


def read(memory):
    """A copy of the parameters, taken while nobody changes them."""
    if numpy:
        block = numpy.frombuffer(memory, dtype=BLOCK, count=1)[0]
        return int(block["changes"]), block["values"].tolist()
    changes, *values = struct.unpack_from(LAYOUT, memory)
    return changes, values


def main():
    segment = segfs.Segment("parameters", size=struct.calcsize(LAYOUT))
    lock = segfs.RWLock("parameters-lock", create=False)
    with segment.map() as view, lock.reading():
        changes, values = read(view.buf)
    print(f"{changes} changes:", *(f"{value:g}" for value in values))


if __name__ == "__main__":
    try:
        main()
    except segfs.Abandoned:
        sys.exit("parameters: a change was not finished; set them again")
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
