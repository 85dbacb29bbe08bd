#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Uses a segment in one way until it is killed.

    hold.py WAY PATH      WAY: open, map, map-private, path (O_PATH), flight (a descriptor in a message that nobody has received),
                          attach (PATH: the shmid of a System V segment)

Prints "ready" once it does.
"""
import array
import ctypes
import mmap
import os
import signal
import socket
import sys

way, path = sys.argv[1:3]
kept = []


def open_file(flags=os.O_RDWR):
    return os.open(path, flags)


if way == "open":
    kept.append(open_file())
elif way == "path":
    kept.append(open_file(os.O_PATH))
elif way in ("map", "map-private"):
    fd = open_file()
    view = ctypes.CDLL(None, use_errno=True)
    view.mmap.restype = ctypes.c_void_p
    view.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    kind = mmap.MAP_SHARED if way == "map" else mmap.MAP_PRIVATE
    # mmap.mmap() keeps a descriptor
    if view.mmap(None, 4096, mmap.PROT_READ, kind, fd, 0) == 2**64 - 1:
        sys.exit("mmap: " + os.strerror(ctypes.get_errno()))
    os.close(fd)
elif way == "flight":
    fd = open_file()
    kept += socket.socketpair()
    kept[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    os.close(fd)
elif way == "attach":
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
    if libc.shmat(int(path), None, 0) == 2**64 - 1:
        sys.exit("shmat: " + os.strerror(ctypes.get_errno()))
else:
    sys.exit("no such way: " + way)
print("ready", flush=True)
signal.pause()
