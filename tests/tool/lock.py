#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds a lock, and waits for another, until it is killed.

    lock.py LOCK...       LOCK: KIND:TYPE:PATH[:START:LENGTH]; KIND: fcntl, flock; TYPE: shared, exclusive

Prints "ready" before the last one, if there are several, and after the only one.
"""
import fcntl
import os
import signal
import sys


def take(text):
    kind, type_, path, *area = text.split(":")
    operation = fcntl.LOCK_SH if type_ == "shared" else fcntl.LOCK_EX
    fd = os.open(path, os.O_RDWR)
    if kind == "flock":
        fcntl.flock(fd, operation)
    else:
        start, length = (int(area[0]), int(area[1])) if area else (0, 0)
        fcntl.lockf(fd, operation, length, start)


for number, lock in enumerate(sys.argv[1:], 1):
    if number == len(sys.argv) - 1 and number > 1:
        print("ready", flush=True)
    take(lock)
if len(sys.argv) == 2:
    print("ready", flush=True)
signal.pause()
