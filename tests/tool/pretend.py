#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A FUSE file system that pretends to be one of segfs, as any user can make one.

    pretend.py DIRECTORY USER [PID]     mounts it there, as if USER had; runs until it is unmounted

Without PID it answers nothing. With it, every directory has user.segfs.source, and .segfs/status names that process as its
supervisor. Prints "ready" once it is mounted.
"""
import ctypes
import os
import struct
import sys

directory, user = sys.argv[1], int(sys.argv[2])
status = ('{"supervisor_pid": %s, "reloads": 0, "upgrades": 0}' % sys.argv[3]).encode() if len(sys.argv) > 3 else None
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id={user},group_id={user},allow_other".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"segfs", directory.encode(), b"fuse.segfs", 6, options) < 0:
    sys.exit("mount: " + os.strerror(ctypes.get_errno()))
print("ready", flush=True)
if status is None:
    libc.pause()

LOOKUP, GETATTR, OPEN, READ, GETXATTR, INIT, OPENDIR = 1, 3, 14, 15, 22, 26, 27
FORGET, BATCH_FORGET, INTERRUPT = 2, 42, 36
NODES = {b".segfs": 2, b"status": 3}


def attributes(node):
    mode = 0o100444 if node == 3 else 0o40755
    return struct.pack("<QQQQQQIIIIIIIIII", node, 4096 if node == 3 else 0, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode, node, body):
    if opcode == INIT:
        return struct.pack("<IIIIHHIIHHII", 7, 31, 65536, 0, 12, 9, 4096, 1, 1, 0, 0, 0) + bytes(24)
    if opcode == LOOKUP:
        found = NODES.get(body.rstrip(b"\0"))
        return struct.pack("<QQQQII", found, 0, 0, 0, 0, 0) + attributes(found) if found else -2
    if opcode == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + attributes(node)
    if opcode in (OPEN, OPENDIR):
        return struct.pack("<QII", 0, 1, 0)
    if opcode == READ:
        offset, size = struct.unpack("<QI", body[8:20])
        return status[offset:offset + size]
    if opcode == GETXATTR:
        size = struct.unpack("<I", body[:4])[0]
        if body[8:].rstrip(b"\0") != b"user.segfs.source":
            return -61
        return b"store" if size else struct.pack("<II", 5, 0)
    return -38


while True:
    try:
        request = os.read(device, 1 << 17)
    except OSError as error:
        if error.errno == 4:
            continue
        break
    length, opcode, unique, node = struct.unpack("<IIQQ", request[:24])
    if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
        continue
    reply = answer(opcode, node, request[40:length])
    error, data = (reply, b"") if isinstance(reply, int) else (0, reply)
    try:
        os.write(device, struct.pack("<IiQ", 16 + len(data), error, unique) + data)
    except OSError:
        pass
