# SPDX-License-Identifier: MIT
"""Cases for the Python module, which shell/python.t runs with the installed one in a directory of SEGFS_MOUNT.

  module.py list     prints the names of the cases
  module.py CASE     runs one; the exit status is 1, with a traceback, if it has failed, and 77 without numpy
"""

import concurrent.futures
import contextlib
import errno
import functools
import gc
import multiprocessing
import multiprocessing.shared_memory
import os
import pickle
import signal
import struct
import sys
import threading
import time
import unittest.mock

import segfs

processes = multiprocessing.get_context("spawn")  # which has nothing but what is pickled
MISSING = 77
LONG = int(os.environ.get("TEST_WAIT", 60))  # seconds, that nothing takes; a slow machine sets them


@contextlib.contextmanager
def raises(kind, number=None, filename=None):
    try:
        yield
    except kind as error:
        assert number is None or error.errno == number, error
        assert filename is None or error.filename == filename, error.filename
    else:
        raise AssertionError(f"nothing was raised, not {kind}")


def is_on_segfs():
    return os.path.exists(os.path.join(os.environ["SEGFS_MOUNT"], ".segfs"))


def in_process(function, *arguments):
    """Runs a function in a process; what it returns, which must be true, is lost."""
    process = processes.Process(target=function, args=arguments)
    process.start()
    return process


def must_end(process):
    process.join(LONG)
    assert process.exitcode == 0, process.exitcode


def in_thread(function, *arguments):
    """Runs a function in a thread that ends."""
    with concurrent.futures.ThreadPoolExecutor() as executor:
        return executor.submit(function, *arguments).result(LONG)


def killed_while(function, *arguments):
    """Runs a function in a process, until it has set the event "ready"; then kills that."""
    ready = segfs.Event("ready", create=True)
    process = in_process(function, *arguments)
    assert ready.wait(LONG)
    process.kill()
    process.join(LONG)
    assert process.exitcode == -signal.SIGKILL
    segfs.remove("ready")


def stay(name="ready"):
    segfs.Event(name, create=False).set()
    while True:
        signal.pause()


# --- shared memory ---

def attach_and_write(name, size):
    shared = segfs.SharedMemory(name)
    assert shared.size == size and bytes(shared.buf[:3]) == b"abc"
    shared.buf[3] = ord("d")
    shared.close()


def shared_memory():
    with raises(ValueError):
        segfs.SharedMemory(create=True)
    with raises(ValueError):
        segfs.SharedMemory(create=True, size=-1)
    with raises(ValueError):
        segfs.SharedMemory()
    with raises(FileNotFoundError, errno.ENOENT, "frames"):
        segfs.SharedMemory("frames")
    shared = segfs.SharedMemory("frames", create=True, size=100)
    assert shared.name == "frames" and shared.size == 100 and len(shared.buf) == 100
    assert repr(shared) == "SharedMemory('frames', size=100)"
    with raises(FileExistsError, errno.EEXIST, "frames"):
        segfs.SharedMemory("frames", create=True, size=10)
    shared.buf[:3] = b"abc"
    must_end(in_process(attach_and_write, "frames", 100))
    assert shared.buf[3] == ord("d")  # and the end of the other process has removed nothing
    other = segfs.SharedMemory(name="frames", track=False)
    other.unlink()
    with raises(FileNotFoundError):
        shared.unlink()
    shared.buf[4] = 5
    assert other.buf[4] == 5  # unlinked while attached
    new = segfs.SharedMemory("frames", create=True, size=4096)
    assert new.buf[4] == 0
    new.unlink()
    shared.close()
    shared.close()
    assert shared.buf is None and other.buf[4] == 5
    segfs.Segment.create("frames", 0)
    with raises(ValueError):
        segfs.SharedMemory("frames")
    segfs.remove("frames")


def shared_memory_in_use():
    shared = segfs.SharedMemory(create=True, size=100)
    assert shared.name.startswith("psm_") and segfs.SharedMemory(create=True, size=1).name != shared.name
    part = shared.buf[10:20]
    shared.close()
    part[0] = 1  # which keeps the memory
    clone = pickle.loads(pickle.dumps(segfs.SharedMemory(shared.name)))
    assert clone.buf[10] == 1
    array = memoryview(clone.buf)
    del clone
    gc.collect()
    assert array[10] == 1
    for entry in segfs.entries():
        if entry.name.startswith("psm_"):
            segfs.remove(entry.name)


def shareable_list():
    """What the standard library builds on SharedMemory works with this one."""
    with unittest.mock.patch("multiprocessing.shared_memory.SharedMemory", segfs.SharedMemory):
        one = multiprocessing.shared_memory.ShareableList([1, "two", 3.0, None])
        two = multiprocessing.shared_memory.ShareableList(name=one.shm.name)
        two[0] = 99
        assert list(one) == [99, "two", 3.0, None] and isinstance(one.shm, segfs.SharedMemory)
        one.shm.unlink()


def structures():
    shared = segfs.SharedMemory("structures", create=True, size=80)
    struct.pack_into("=4d", shared.buf, 0, 1, 2, 3, 4)
    assert sum(shared.buf.cast("d")[:4]) == 10
    shared.close()
    segfs.remove("structures")


def numpy_arrays():
    try:
        import numpy
    except ImportError:
        sys.exit(MISSING)
    shared = segfs.SharedMemory("arrays", create=True, size=80)
    array = numpy.ndarray((10,), dtype="f8", buffer=shared.buf)
    shared.close()
    del shared
    gc.collect()
    array[:] = range(10)
    view = segfs.Segment("arrays").map(40)
    array = numpy.frombuffer(view.buf, dtype="f8")
    del view
    gc.collect()
    assert array.sum() == 35 and not array.flags.writeable  # which keeps the memory
    segfs.remove("arrays")


# --- segments and views ---

def segments():
    segment = segfs.Segment.create("frames", 100, mode=0o640)
    assert segment.created and segment.size == 100
    with raises(FileExistsError):
        segfs.Segment.create("frames", 1)
    assert not segfs.Segment.create("frames", 1, exist_ok=True).created
    assert segfs.Segment("frames", size=100, exact=True).size == 100
    with raises(OSError, errno.ERANGE, "frames"):
        segfs.Segment("frames", size=101)
    with raises(OSError, errno.EBADF):
        segfs.Segment("frames").resize(1)
    assert os.fstat(segment.fileno()).st_size == 100
    segment.resize(200)
    found = [entry for entry in segfs.entries() if entry.name == "frames"]
    assert found and found[0].kind == segfs.Kind.SEGMENT and found[0].size == 200 and found[0].mode == 0o640
    if is_on_segfs():
        segment.set("commit", "yes")
        assert segment.get("commit") == "yes"
        with raises(OSError, errno.EINVAL):
            segment.set("commit", "perhaps")
        assert segfs.Segment.create("other", 1, attributes={"commit": "yes"}).get("commit") == "yes"
        segfs.remove("other")
    else:
        with raises(OSError, errno.EOPNOTSUPP):
            segment.get("commit")
    with segment:
        pass
    with raises(ValueError):
        segment.size
    segfs.remove("frames")
    with raises(FileNotFoundError, errno.ENOENT, "frames"):
        segfs.remove("frames")
    with raises(FileNotFoundError):
        segfs.entries("nowhere")


def views():
    segment = segfs.Segment.create("frames", 8192)
    view = segment.map()
    view.buf[5000] = 7
    view.flush()
    view.flush(5000, 1)
    with raises(OSError, errno.EINVAL):
        view.flush(8192, 1)
    constant = segfs.Segment("frames").map(5000, 10)
    assert constant.size == 10 and constant.buf[0] == 7 and constant.buf.readonly
    with raises(PermissionError):
        segfs.Segment("frames").map(write=True)
    copy = segment.map(5000, 1, copy=True, populate=True)
    copy.buf[0] = 8
    assert view.buf[5000] == 7
    segment.close()
    part = view.buf[5000:]
    view.close()
    with raises(ValueError):
        view.flush()
    del view
    gc.collect()
    assert part[0] == 7  # which keeps the memory
    segfs.remove("frames")


# --- waits ---

def post(semaphore):
    semaphore.release(3)


def semaphores():
    jobs = segfs.Semaphore("jobs", 1, maximum=3)
    assert jobs.created and jobs.value == 1
    with jobs:
        assert jobs.value == 0
        assert not jobs.acquire(blocking=False) and not jobs.acquire(timeout=0.01) and not jobs.acquire(timeout=-1)
    assert jobs.acquire()
    must_end(in_process(post, jobs))
    with raises(OSError, errno.EOVERFLOW, "jobs"):
        jobs.release()
    assert jobs.acquire(timeout=1) and jobs.acquire(timeout=1e300) and jobs.acquire(timeout=float("inf"))
    begin = time.monotonic()
    assert not jobs.acquire(timeout=0.05) and time.monotonic() - begin >= 0.05
    with raises(FileExistsError):
        segfs.Semaphore("jobs", create=True)
    with raises(FileNotFoundError):
        segfs.Semaphore("nowhere", create=False)
    with raises(OSError, errno.EPROTOTYPE, "jobs"):
        segfs.Mutex("jobs")
    jobs.close()
    with raises(ValueError):
        jobs.release()
    segfs.remove("jobs")


def set_them(stop, turn, bell):
    stop.set()
    turn.set()
    bell.ring()


def events():
    stop, turn, bell = segfs.Event("stop", True), segfs.AutoEvent("turn"), segfs.Doorbell("bell")
    assert stop.is_set() and stop.wait()
    stop.clear()
    assert not stop.is_set() and not stop.wait(0) and not stop.wait(0.01)
    process = in_process(set_them, stop, turn, bell)
    assert stop.wait(LONG) and turn.wait(LONG) and bell.wait(LONG)
    must_end(process)
    assert stop.is_set() and not turn.is_set() and not turn.wait(0)
    assert bell.value == 1 and not bell.wait(0)
    for name in ("stop", "turn", "bell"):
        segfs.remove(name)


def several():
    jobs, stop = segfs.Semaphore("jobs", 0), segfs.Event("stop")
    assert segfs.wait_any([jobs, stop], 0) is None and segfs.wait_any([jobs, stop], 0.01) is None
    assert not segfs.wait_all([jobs, stop], 0.01)
    process = in_process(post, jobs)
    assert segfs.wait_any((jobs, stop)) == 0
    must_end(process)
    stop.set()
    assert segfs.wait_all([jobs, stop]) and jobs.value == 1
    assert segfs.wait_any([stop, jobs]) == 0
    with raises(OSError, errno.EINVAL):
        segfs.wait_any([])
    with raises(OSError, errno.EINVAL):
        segfs.wait_any([jobs] * 129)
    segfs.remove("jobs")
    segfs.remove("stop")


def sleeps_in_futex(task):
    """Whether a thread of this process does, on a machine whose numbers of system calls are known here."""
    with open(f"/proc/self/task/{task}/syscall") as file:
        return file.read().split()[0] in {"x86_64": ("202", "449")}.get(os.uname().machine, ("98", "449"))


def until(condition):
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end


def interrupt_soon():
    """Sends SIGINT to the main thread as soon as that sleeps after this call."""
    def sleeps():
        # for the interpreter's lock it sleeps shorter
        return sleeps_in_futex(os.getpid()) and not time.sleep(0.02) and sleeps_in_futex(os.getpid())

    started = []

    def send():
        until(lambda: started and sleeps())
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=send).start()
    started.append(True)


def interrupts():
    """KeyboardInterrupt ends any wait; a handler that returns does not."""
    event, mutex, semaphore = segfs.Event("event"), segfs.Mutex("mutex"), segfs.Semaphore("semaphore", 0)
    condition, barrier, lock = segfs.Condition("condition", mutex), segfs.Barrier("barrier", 2), segfs.RWLock("lock")
    holder = threading.Thread(target=lambda: (lock.acquire_write(), event.wait(LONG), lock.release()))
    holder.start()
    until(lambda: lock.readers is None)
    for wait in (event.wait, semaphore.acquire, barrier.wait, lock.acquire_read, lock.acquire_write,
                 functools.partial(segfs.wait_any, [event, semaphore])):
        interrupt_soon()
        with raises(KeyboardInterrupt):
            wait()
    interrupt_soon()
    with raises(KeyboardInterrupt), condition:
        condition.wait()
    assert not mutex.locked() and barrier.n_waiting == 0
    calls = []
    signal.signal(signal.SIGINT, lambda *_: (calls.append(1), semaphore.release()))
    interrupt_soon()
    assert semaphore.acquire(timeout=LONG) and calls
    event.set()
    holder.join()
    for name in ("event", "mutex", "semaphore", "condition", "barrier", "lock"):
        segfs.remove(name)


def close_while_waiting():
    """An object that one thread closes stays until the wait of another one has ended."""
    event = segfs.Event("event")
    results = []
    waiter = threading.Thread(target=lambda: results.append(event.wait(LONG)))
    waiter.start()
    until(lambda: sleeps_in_futex(waiter.native_id))
    event.close()
    segfs.Event("event").set()
    waiter.join()
    assert results == [True]
    segfs.remove("event")


# --- locks ---

def count(mutex, name, n):
    shared = segfs.SharedMemory(name)
    numbers = shared.buf.cast("Q")
    for _ in range(n):
        with mutex:
            numbers[0] += 1
    numbers.release()


def other_thread_gets_nothing(mutex):
    assert not mutex.acquire(blocking=False)
    with raises(PermissionError):
        mutex.release()


def mutexes():
    shared = segfs.SharedMemory("counter", create=True, size=8)
    mutex = segfs.Mutex("mutex")
    process = in_process(count, mutex, "counter", 2000)
    count(mutex, "counter", 2000)
    must_end(process)
    assert struct.unpack("=Q", shared.buf)[0] == 4000
    with mutex:
        assert mutex.locked()
        with raises(OSError, errno.EDEADLK, "mutex"):
            mutex.acquire()
        again = segfs.Mutex("mutex", create=False)
        assert not again.acquire(blocking=False) and not again.acquire(timeout=0.01)
        with raises(PermissionError, errno.EPERM):
            again.release()
        in_thread(other_thread_gets_nothing, mutex)
    assert not mutex.locked()
    recursive = segfs.RecursiveMutex("recursive")
    with recursive, recursive:
        assert not segfs.RecursiveMutex("recursive").acquire(timeout=0)
    assert segfs.RecursiveMutex("recursive").acquire(timeout=0)
    for name in ("counter", "mutex", "recursive"):
        segfs.remove(name)


def read_beside(lock):
    with lock.reading():
        assert lock.readers == 2
    assert not lock.acquire_write(blocking=False) and not lock.acquire_write(timeout=0.01)


def find_it_written(lock):
    assert lock.readers is None
    assert not lock.acquire_read(blocking=False) and not lock.acquire_read(timeout=0.01)


def rwlocks():
    lock = segfs.RWLock("lock")
    with lock.reading():
        must_end(in_process(read_beside, lock))
    with lock.writing():
        must_end(in_process(find_it_written, lock))
        with raises(OSError, errno.EDEADLK):
            lock.acquire_read()
    with raises(PermissionError):
        lock.release()
    with raises(TypeError), lock:
        pass
    segfs.remove("lock")


def hold(lock, function):
    assert getattr(lock, function)()
    stay()


def abandoned_mutexes():
    mutex = segfs.Mutex("mutex")
    killed_while(hold, mutex, "acquire")
    assert mutex.abandoned and not mutex.locked()
    for _ in range(2):
        with raises(segfs.Abandoned, errno.EOWNERDEAD, "mutex"):
            mutex.acquire()
        with raises(segfs.Abandoned), mutex:
            pass
        with raises(PermissionError):  # it was not locked
            mutex.release()
    with raises(KeyError), mutex.repair() as abandoned:
        assert abandoned
        raise KeyError
    lenient = pickle.loads(pickle.dumps(segfs.Mutex("mutex", on_abandoned="proceed")))
    with lenient:
        assert lenient.abandoned
    with mutex.repair() as abandoned:
        assert abandoned
    with mutex.repair() as abandoned:
        assert not abandoned
    with mutex:
        pass
    assert in_thread(mutex.acquire)
    with raises(segfs.Abandoned):
        mutex.acquire(timeout=LONG)
    with lenient:
        lenient.clear_abandoned()
    assert not mutex.abandoned
    with raises(ValueError):
        segfs.Mutex("mutex", on_abandoned="weep")
    segfs.remove("mutex")


def abandoned_rwlocks():
    lock = segfs.RWLock("lock")
    killed_while(hold, lock, "acquire_read")
    with lock.writing():  # no data were changed
        assert lock.reader_died and not lock.abandoned
        lock.clear_abandoned()
    killed_while(hold, lock, "acquire_write")
    for take in (lock.reading, lock.writing):
        with raises(segfs.Abandoned), take():
            pass
    with lock.repair() as abandoned:
        assert abandoned
    with lock.reading():
        pass
    segfs.remove("lock")


# --- conditions and barriers ---

def play(condition, name, mine):
    shared = segfs.SharedMemory(name)
    for _ in range(200):
        with condition:
            assert condition.wait_for(lambda: shared.buf[0] % 2 == mine, LONG)
            shared.buf[0] = (shared.buf[0] + 1) % 256
            condition.notify_all()


def die_with(condition):
    condition.__enter__()
    condition.notify()
    os._exit(0)


def conditions():
    shared = segfs.SharedMemory("turns", create=True, size=1)
    mutex = segfs.Mutex("mutex")
    condition = segfs.Condition("condition", mutex)
    process = in_process(play, condition, "turns", 1)
    play(condition, "turns", 0)
    must_end(process)
    assert shared.buf[0] == 400 % 256
    with raises(PermissionError):
        condition.wait(0.01)
    with condition:
        assert not condition.wait(0) and not condition.wait(0.01)
        assert condition.wait_for(lambda: 0, 0.01) == 0 and condition.wait_for(lambda: 5, 0) == 5
        process = in_process(die_with, condition)
        with raises(segfs.Abandoned, errno.EOWNERDEAD, "mutex"):
            condition.wait(LONG)
        assert mutex.locked()
    must_end(process)
    for name in ("turns", "mutex", "condition"):
        segfs.remove(name)


def arrive(barrier, n):
    for _ in range(n):
        barrier.wait(LONG)


def barriers():
    barrier = segfs.Barrier("barrier", 2)
    with raises(TimeoutError, errno.ETIMEDOUT, "barrier"):
        barrier.wait(0.01)
    with raises(TimeoutError):
        barrier.wait(0)
    assert barrier.n_waiting == 0
    process = in_process(arrive, barrier, 10)
    arrive(barrier, 10)
    must_end(process)
    segfs.remove("barrier")
    with raises(OSError, errno.EINVAL):
        segfs.Barrier("barrier")
    assert segfs.Barrier("barrier", 1).wait()
    segfs.remove("barrier")


CASES = (shared_memory, shared_memory_in_use, shareable_list, structures, numpy_arrays, segments, views, semaphores, events, several,
         interrupts, close_while_waiting, mutexes, rwlocks, abandoned_mutexes, abandoned_rwlocks, conditions, barriers)

if __name__ == "__main__":
    signal.alarm(4 * LONG)
    for case in CASES:
        if sys.argv[1:] == ["list"]:
            print(case.__name__)
        elif sys.argv[1:] == [case.__name__]:
            case()
