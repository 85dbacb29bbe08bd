# SPDX-License-Identifier: MIT
"""libsegfs for Python: shared memory and synchronization objects with names.

    shared = segfs.SharedMemory("frames", create=True, size=4096)   # as multiprocessing.shared_memory
    mutex = segfs.Mutex("frames-lock")                              # opened, or created

    with mutex:
        shared.buf[0] += 1
    numpy.ndarray(1024, "i4", buffer=shared.buf)

Names. Those of segfs.h: relative to the mount, or to the directory of SEGFS_MOUNT; or a path. Objects of all
classes but SharedMemory are opened if they exist, and else created; with create=True they must be new
(FileExistsError), with create=False they must exist (FileNotFoundError). `created` tells what was done.
remove() removes a name. close(), and the end of the last reference, release an object of this process only;
while a thread waits for one, that is put off until its call has returned. Nothing removes a name by itself.

Errors. OSError with errno, sentence and filename, of the subclass that Python has for the errno; see segfs.h.

Time. Timeouts are in seconds; None = for ever, 0 or less = do not wait. Waits run signal handlers, and then
go on, so that KeyboardInterrupt ends them. They do not hold the interpreter's lock.

Threads. A lock belongs to the thread that has locked it, a thread of the operating system: no other one can
release it, and when the thread ends, also while its process goes on, the lock is abandoned. A task of
asyncio has no thread of its own: use locks within one call of an executor. A child of fork() holds nothing.
An exception that a signal handler raises just when a lock was taken can leave it locked.

Abandoned locks. A thread that dies while it holds a mutex, or writes under a RWLock, may leave half changed
what the lock protects. From then on each attempt to lock it raises Abandoned, and does not lock it, until
somebody has put the data in order:

    try:
        with mutex:
            use(data)
    except segfs.Abandoned:
        with mutex.repair() as abandoned:   # locks it; False if another thread was faster
            if abandoned:
                put_in_order(data)          # if this raises nothing, the lock is in order again

A lock made with on_abandoned="proceed" is locked without a word; `abandoned` and clear_abandoned() are then
the program's business.
"""

import contextlib
import ctypes
import enum
import errno
import functools
import os
import secrets
import time
import typing

__all__ = ["Abandoned", "AutoEvent", "Barrier", "Condition", "Doorbell", "Entry", "Event", "Kind", "Mutex",
           "RecursiveMutex", "RWLock", "Segment", "Semaphore", "SharedMemory", "View", "entries", "remove",
           "wait_all", "wait_any"]


class Kind(enum.IntEnum):
    """What an entry of a directory is."""
    SEGMENT = 1
    DIRECTORY = 2
    SEMAPHORE = 3
    EVENT = 4
    AUTO_EVENT = 5
    DOORBELL = 6
    MUTEX = 7
    RECURSIVE_MUTEX = 8
    RWLOCK = 9
    CONDITION = 10
    BARRIER = 11


# --- the library ---

_OPEN_EXISTING = 1
_WRITE, _SIZE_EXACT, _SIZE_AT_LEAST = 1, 2, 4
_MAP_WRITE, _MAP_COPY, _MAP_HUGE, _MAP_POPULATE, _MAP_LOCK = 1, 2, 8, 16, 32
_TRY, _INTERRUPTIBLE = 1, 2
_ABANDONED, _READER_DIED = 1, 2
_ALL = 2**32 - 1
_LONGEST = 1e9  # seconds; as good as for ever, and no deadline overflows


class _Attribute(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p)]


class _Creation(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint64), ("mode", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("attributes", ctypes.POINTER(_Attribute)), ("n_attributes", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32 * 5)]


class _ObjectCreation(ctypes.Structure):
    _fields_ = [("mode", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("initial", ctypes.c_uint32),
                ("maximum", ctypes.c_uint32), ("reserved", ctypes.c_uint32 * 4)]


class _Entry(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("kind", ctypes.c_int), ("mode", ctypes.c_uint32),
                ("uid", ctypes.c_uint32), ("gid", ctypes.c_uint32), ("size", ctypes.c_uint64),
                ("attached", ctypes.c_int64)]


_Time = ctypes.c_int64 * 2  # room for a struct timespec
_Visit = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Entry), ctypes.c_void_p)


def _load():
    # the library of this module's own installation comes first
    prefix = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
    path = os.path.normpath(os.path.join(prefix, "libsegfs.so.0"))
    library = ctypes.CDLL(path if os.path.exists(path) else "libsegfs.so.0")

    name, pointer, out = ctypes.c_char_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
    u32, u64, size, flags, result = (ctypes.c_uint32, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int)
    for function, restype, *argtypes in (
            ("explain", ctypes.c_void_p, name, result, name, size),
            ("create", result, name, ctypes.POINTER(_Creation), out),
            ("open", result, name, flags, u64, out),
            ("close", None, pointer),
            ("fd", result, pointer),
            ("size", result, pointer, ctypes.POINTER(u64)),
            ("resize", result, pointer, u64),
            ("get", ctypes.c_ssize_t, pointer, name, name, size),
            ("set", result, pointer, name, name),
            ("remove", result, name),
            ("list", result, name, _Visit, pointer),
            ("map", result, pointer, u64, size, flags, pointer, out),
            ("view_data", ctypes.c_void_p, pointer),
            ("view_length", size, pointer),
            ("flush", result, pointer, size, size),
            ("unmap", None, pointer),
            ("object_create", result, name, ctypes.c_int, ctypes.POINTER(_ObjectCreation), out),
            ("object_open", result, name, ctypes.c_int, out),
            ("object_close", None, pointer),
            ("object_value", u32, pointer),
            ("post", result, pointer, u32),
            ("set_event", result, pointer),
            ("reset_event", result, pointer),
            ("ring", result, pointer),
            ("wait", result, pointer, pointer, flags),
            ("wait_any", result, out, size, pointer, flags),
            ("wait_all", result, out, size, pointer, flags),
            ("deadline", pointer, pointer, u64),
            ("lock", result, pointer, pointer, flags),
            ("lock_shared", result, pointer, pointer, flags),
            ("unlock", result, pointer),
            ("abandoned", result, pointer),
            ("clear_abandoned", result, pointer),
            ("condition_wait", result, pointer, pointer, pointer, flags),
            ("notify", result, pointer, u32),
            ("barrier_wait", result, pointer, pointer, flags)):
        loaded = getattr(library, "segfs_" + function)
        loaded.restype, loaded.argtypes = restype, argtypes
        setattr(library, function, loaded)
    return library


_library = _load()


class Abandoned(OSError):
    """EOWNERDEAD: a thread died while it held the lock; see the module."""


def _check(name, result):
    """Returns a result, or raises the exception of a negative errno."""
    if result >= 0:
        return result
    text = ctypes.create_string_buffer(1024)
    _library.explain(b"", result, text, len(text))
    kind = Abandoned if result == -errno.EOWNERDEAD else OSError
    raise kind(-result, os.fsdecode(text.value).removeprefix(": "), os.fsdecode(name))


def _wait(name, call, blocking=True, timeout=None):
    """Calls call(deadline, flags) until it has ended by anything but a signal. Returns None if it was too late."""
    deadline = None
    if not blocking or (timeout is not None and timeout <= 0):
        result = call(None, _TRY)
    else:
        if timeout is not None and timeout < _LONGEST:
            deadline = _Time()
            _library.deadline(deadline, int(timeout * 1e9))
        # the interpreter runs handlers of signals between two calls
        while (result := call(deadline, _INTERRUPTIBLE)) == -errno.EINTR:
            pass
    return None if result in (-errno.EAGAIN, -errno.ETIMEDOUT) else _check(name, result)


class _Handle:
    """Releases what the library has opened when the last who uses it has gone: no thread finds it released."""

    def __init__(self, pointer, release):
        self._as_parameter_ = pointer
        self._release = release

    def __del__(self):
        self._release(self._as_parameter_)


class _Closable:
    """What has a name and a handle, until it is closed."""
    _handle = None
    created = False  # whether the constructor has created it

    def _get(self):
        if self._handle is None:
            raise ValueError(f"{self.name}: it is closed")
        return self._handle

    def _check(self, result):
        return _check(self.name, result)

    def close(self):
        """Releases it."""
        self._handle = None

    def __enter__(self):
        self._get()
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"{type(self).__name__}({self.name!r})"


# --- segments and views ---

class Segment(_Closable):
    """A segment that exists, for reading or, with write, also for writing.

    size: it must have as many bytes or more, and with exact just as many; else OSError with ERANGE.
    """

    def __init__(self, name, write=False, size=None, exact=False):
        flags = _WRITE if write else 0
        if size is not None:
            flags |= _SIZE_EXACT if exact else _SIZE_AT_LEAST
        pointer = ctypes.c_void_p()
        self.name, self.writable = os.fspath(name), write
        self._check(_library.open(os.fsencode(name), flags, size or 0, pointer))
        self._handle = _Handle(pointer, _library.close)

    @classmethod
    def create(cls, name, size, mode=0o600, exist_ok=False, attributes=None):
        """Creates one, for reading and writing. One that exists keeps its size, mode and attributes (exist_ok)."""
        made = cls.__new__(cls)
        made.name, made.writable = os.fspath(name), True
        pairs = [(key.encode(), value.encode()) for key, value in (attributes or {}).items()]
        creation = _Creation(size=size, mode=mode, flags=_OPEN_EXISTING if exist_ok else 0,
                             attributes=(_Attribute * len(pairs))(*pairs), n_attributes=len(pairs))
        pointer = ctypes.c_void_p()
        made.created = made._check(_library.create(os.fsencode(name), creation, pointer)) == 0
        made._handle = _Handle(pointer, _library.close)
        return made

    @property
    def size(self):
        """Its present size in bytes."""
        size = ctypes.c_uint64()
        self._check(_library.size(self._get(), size))
        return size.value

    def resize(self, size):
        """Sets its size. Views stay as they are; an access beyond the new end kills the process by SIGBUS."""
        self._check(_library.resize(self._get(), size))

    def fileno(self):
        """Its file descriptor, for the modules mmap and fcntl. It belongs to the segment."""
        return _library.fd(self._get())

    def get(self, attribute):
        """The text of an attribute, without "user.segfs."."""
        value = ctypes.create_string_buffer(65536)
        self._check(_library.get(self._get(), attribute.encode(), value, len(value)))
        return os.fsdecode(value.value)

    def set(self, attribute, value):
        """Sets an attribute."""
        self._check(_library.set(self._get(), attribute.encode(), value.encode()))

    def map(self, offset=0, length=0, write=None, copy=False, huge=False, populate=False, lock=False):
        """A View of `length` bytes, 0 = up to the present end; for writing if the segment is, unless told."""
        write = self.writable and not copy if write is None else write
        flags = (write and _MAP_WRITE) | (copy and _MAP_COPY) | (huge and _MAP_HUGE)
        return View(self, offset, length, flags | (populate and _MAP_POPULATE) | (lock and _MAP_LOCK))


class View(_Closable):
    """A part of a segment in memory; made by Segment.map(). buf: its bytes, a memoryview.

    It outlives the segment. The memory is there as long as anything refers to it, such as a slice of buf or
    an array of numpy. To follow a segment that has grown, make a new view.
    """

    def __init__(self, segment, offset, length, flags):
        pointer = ctypes.c_void_p()
        self.name = segment.name
        self._check(_library.map(segment._get(), offset, length, flags, None, pointer))
        self._handle = _Handle(pointer, _library.unmap)
        self.size = _library.view_length(self._handle)
        memory = (ctypes.c_ubyte * self.size).from_address(_library.view_data(self._handle))
        memory.handle = self._handle
        self.buf = memoryview(memory).cast("B")
        if not flags & (_MAP_WRITE | _MAP_COPY):
            self.buf = self.buf.toreadonly()

    def flush(self, offset=0, length=0):
        """Writes bytes to the medium; length 0 = up to the end."""
        self._check(_library.flush(self._get(), offset, length))

    def close(self):
        """Lets buf go. It is not released: an array of numpy would not keep that from happening."""
        self.buf = None
        super().close()


class SharedMemory:
    """A whole segment, as multiprocessing.shared_memory.SharedMemory.

    name: of a segment; None with create = a name that nobody has. create: it must be new; else it must exist.
    size: in bytes, of a new one. track is for those who pass it: nothing is ever tracked, and only unlink()
    removes the name. mode: of a new one. After close(), the memory stays as long as anything refers to it,
    such as a slice of buf or an array of numpy: that is no error, and no access is to memory that has gone.
    """

    def __init__(self, name=None, create=False, size=0, *, track=False, mode=0o600):
        self._segment = self._view = None
        if size < 0:
            raise ValueError("'size' must be a positive integer")
        if create and size == 0:
            raise ValueError("'size' must be a positive number different from zero")
        if name is None and not create:
            raise ValueError("'name' can only be None if create=True")
        self._segment = self._open(name, create, size, mode)
        self._name, self._size = self._segment.name, self._segment.size
        if self._size == 0:
            raise ValueError(f"{self._name}: it is empty")
        try:
            self._view = self._segment.map(0, self._size)
        except OSError:
            if create:
                self.unlink()
            raise

    @staticmethod
    def _open(name, create, size, mode):
        if not create:
            return Segment(name, write=True)
        if name is not None:
            return Segment.create(name, size, mode)
        while True:
            with contextlib.suppress(FileExistsError):
                return Segment.create("psm_" + secrets.token_hex(4), size, mode)

    name = property(lambda self: self._name, doc="By which another process attaches it.")
    size = property(lambda self: self._size, doc="Its size in bytes when it was attached.")
    buf = property(lambda self: self._view and self._view.buf, doc="Its bytes, a memoryview; None when it is closed.")

    def close(self):
        """Detaches it."""
        self._segment = self._view = None

    def unlink(self):
        """Removes the name. Those who have attached it keep it."""
        remove(self._name)

    def __reduce__(self):
        return type(self), (self.name, False, self.size)

    def __repr__(self):
        return f"{type(self).__name__}({self.name!r}, size={self.size})"


def remove(name):
    """Removes the name of a segment or an object. Those who use it keep it."""
    _check(name, _library.remove(os.fsencode(name)))


class Entry(typing.NamedTuple):
    """A segment, object or directory. attached: how many processes use it; -1 = unknown, or not on segfs."""
    name: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    attached: int


def entries(directory=""):
    """The list of all segments, objects and directories in a directory."""
    found = []

    def visit(entry, _):
        one = entry.contents
        found.append(Entry(os.fsdecode(one.name), Kind(one.kind), one.mode, one.uid, one.gid, one.size, one.attached))
        return 0

    _check(directory, _library.list(os.fsencode(directory), _Visit(visit), None))
    return found


# --- synchronization objects ---

class _Object(_Closable):
    """What all objects have in common. mode: permission bits of a new one, for reading and writing."""
    _kind = None

    def __init__(self, name, create, mode, initial=0, maximum=0):
        pointer = ctypes.c_void_p()
        self.name = os.fspath(name)
        path = os.fsencode(name)
        if create is False:
            self._check(_library.object_open(path, self._kind, pointer))
        else:
            creation = _ObjectCreation(mode=mode, flags=0 if create else _OPEN_EXISTING, initial=initial,
                                       maximum=maximum)
            self.created = self._check(_library.object_create(path, self._kind, creation, pointer)) == 0
        self._handle = _Handle(pointer, _library.object_close)

    @property
    def _value(self):
        return _library.object_value(self._get())

    def _wait(self, function, blocking=True, timeout=None):
        handle = self._get()
        return _wait(self.name, lambda deadline, flags: function(handle, deadline, flags), blocking, timeout)

    def __reduce__(self):
        # another process opens it by its name
        return functools.partial(type(self), create=False), (self.name,)


class _Context(_Object):
    """An object that a with statement takes and releases."""

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *_):
        self.release()


class Semaphore(_Context):
    """As threading.Semaphore. value, maximum: of a new one; maximum 0 = 2**31 - 1."""
    _kind = Kind.SEMAPHORE

    def __init__(self, name, value=1, maximum=0, *, create=None, mode=0o600):
        super().__init__(name, create, mode, value, maximum)

    def acquire(self, blocking=True, timeout=None):
        """Takes one when the count is not 0. Returns whether it did."""
        return self._wait(_library.wait, blocking, timeout) is not None

    def release(self, n=1):
        """Adds n; OSError with EOVERFLOW if the count would be more than the maximum."""
        self._check(_library.post(self._get(), n))

    value = property(lambda self: self._value, doc="The count.")


class _Signal(_Object):
    def wait(self, timeout=None):
        """Waits for it. Returns whether it was there in time."""
        return self._wait(_library.wait, True, timeout) is not None


class Event(_Signal):
    """As threading.Event: all waits end while it is set."""
    _kind = Kind.EVENT

    def __init__(self, name, is_set=False, *, create=None, mode=0o600):
        super().__init__(name, create, mode, 1 if is_set else 0)

    def is_set(self):
        """Whether it is set."""
        return self._value != 0

    def set(self):
        """Sets it."""
        self._check(_library.set_event(self._get()))

    def clear(self):
        """Resets it."""
        self._check(_library.reset_event(self._get()))


class AutoEvent(Event):
    """An event that the first wait which it ends resets."""
    _kind = Kind.AUTO_EVENT


class Doorbell(_Signal):
    """A wait ends when it was rung since the last wait through this object, or since that was made."""
    _kind = Kind.DOORBELL

    def __init__(self, name, *, create=None, mode=0o600):
        super().__init__(name, create, mode)

    def ring(self):
        """Rings it."""
        self._check(_library.ring(self._get()))

    value = property(lambda self: self._value, doc="How often it was rung, modulo 2**31.")


def _wait_several(function, objects, timeout):
    handles = [one._get() for one in objects]
    pointers = (ctypes.c_void_p * len(handles))(*[handle._as_parameter_.value for handle in handles])
    name = objects[0].name if objects else "no objects"
    return _wait(name, lambda deadline, flags: function(pointers, len(pointers), deadline, flags), True, timeout)


def wait_any(objects, timeout=None):
    """Waits for one of up to 128 semaphores, events and doorbells. Returns its index, or None if none was there."""
    return _wait_several(_library.wait_any, list(objects), timeout)


def wait_all(objects, timeout=None):
    """Waits for all of up to 128 semaphores, events and doorbells. Returns whether all were there."""
    return _wait_several(_library.wait_all, list(objects), timeout) is not None


class Barrier(_Object):
    """For a number of threads, of any processes. parties: of a new one, up to 65535."""
    _kind = Kind.BARRIER

    def __init__(self, name, parties=0, *, create=None, mode=0o600):
        super().__init__(name, create, mode, 0, parties)

    def wait(self, timeout=None):
        """Returns whether the caller was the last to arrive. TimeoutError: the others did not; nor did it."""
        result = self._wait(_library.barrier_wait, True, timeout)
        return self._check(-errno.ETIMEDOUT if result is None else result) == 1

    n_waiting = property(lambda self: self._value, doc="How many have arrived.")


# --- locks ---

class _Lock(_Context):
    """What mutexes and reader-writer locks have in common. on_abandoned: "fail" or "proceed"; see the module."""

    def __init__(self, name, *, create=None, mode=0o600, on_abandoned="fail"):
        if on_abandoned not in ("fail", "proceed"):
            raise ValueError(f"on_abandoned is 'fail' or 'proceed', not {on_abandoned!r}")
        self._fails = on_abandoned == "fail"
        super().__init__(name, create, mode)

    def __reduce__(self):
        policy = "fail" if self._fails else "proceed"
        return functools.partial(type(self), create=False, on_abandoned=policy), (self.name,)

    def _lock(self, function, blocking=True, timeout=None):
        result = self._wait(function, blocking, timeout)
        if result is not None and result & _ABANDONED and self._fails:
            _library.unlock(self._get())
            self._check(-errno.EOWNERDEAD)
        return result is not None

    def release(self):
        """Unlocks what the calling thread has locked; PermissionError if it has not."""
        self._check(_library.unlock(self._get()))

    @property
    def abandoned(self):
        """Whether a thread died while it held it, or wrote, and that was not cleared."""
        return bool(self._check(_library.abandoned(self._get())) & _ABANDONED)

    def clear_abandoned(self):
        """Says that the data are in order again. The caller holds it, a RWLock for writing."""
        self._check(_library.clear_abandoned(self._get()))

    @contextlib.contextmanager
    def repair(self):
        """Locks it even if it is abandoned, for a with statement; see the module."""
        abandoned = self._wait(_library.lock) & _ABANDONED != 0
        try:
            yield abandoned
            if abandoned:
                self.clear_abandoned()
        finally:
            self.release()


class Mutex(_Lock):
    """As threading.Lock, but the thread that has locked it must release it."""
    _kind = Kind.MUTEX

    def acquire(self, blocking=True, timeout=None):
        """Locks it. Returns whether it did. OSError with EDEADLK: the calling thread holds it."""
        return self._lock(_library.lock, blocking, timeout)

    def locked(self):
        """Whether a thread holds it."""
        return self._value != 0


class RecursiveMutex(Mutex):
    """As threading.RLock: released as often as it was locked."""
    _kind = Kind.RECURSIVE_MUTEX


class RWLock(_Lock):
    """Held by readers, or by one writer. A with statement takes reading() or writing()."""
    _kind = Kind.RWLOCK

    def acquire_read(self, blocking=True, timeout=None):
        """Locks it for reading. Returns whether it did."""
        return self._lock(_library.lock_shared, blocking, timeout)

    def acquire_write(self, blocking=True, timeout=None):
        """Locks it for writing. Returns whether it did."""
        return self._lock(_library.lock, blocking, timeout)

    @contextlib.contextmanager
    def reading(self):
        """with lock.reading(): ..."""
        self.acquire_read()
        try:
            yield
        finally:
            self.release()

    @contextlib.contextmanager
    def writing(self):
        """with lock.writing(): ..."""
        self.acquire_write()
        try:
            yield
        finally:
            self.release()

    @property
    def reader_died(self):
        """Whether a thread died while it read; clear_abandoned() clears that as well."""
        return bool(self._check(_library.abandoned(self._get())) & _READER_DIED)

    @property
    def readers(self):
        """How many threads read; None while one writes."""
        value = self._value
        return None if value == _ALL else value

    def __enter__(self):
        raise TypeError("use reading() or writing()")


class Condition(_Object):
    """As threading.Condition, over a Mutex or RecursiveMutex, which a with statement locks."""
    _kind = Kind.CONDITION

    def __init__(self, name, mutex, *, create=None, mode=0o600):
        self._mutex = mutex
        super().__init__(name, create, mode)

    def __reduce__(self):
        return functools.partial(type(self), create=False), (self.name, self._mutex)

    def __enter__(self):
        self._mutex.acquire()
        return self

    def __exit__(self, *_):
        self._mutex.release()

    def wait(self, timeout=None):
        """Unlocks the mutex, waits, and locks it again. Returns whether it was notified in time.

        Abandoned: a thread died with the mutex meanwhile; the mutex is locked.
        """
        condition, mutex = self._get(), self._mutex._get()
        seen = self._value

        def wait(deadline, flags):
            result = _library.condition_wait(condition, mutex, deadline, flags & ~_TRY)
            # a notification that came with the signal would not end the next wait
            return 0 if result == -errno.EINTR and self._value != seen else result

        if timeout is not None:
            timeout = max(timeout, 1e-9)  # the library has no attempt of it
        result = _wait(self.name, wait, True, timeout)
        if self._mutex._fails and self._mutex.abandoned:
            self._mutex._check(-errno.EOWNERDEAD)
        return result is not None

    def wait_for(self, predicate, timeout=None):
        """Waits until predicate() is true. Returns its last value."""
        end = None if timeout is None else time.monotonic() + timeout
        while not (result := predicate()):
            rest = None if end is None else end - time.monotonic()
            if rest is not None and rest <= 0:
                break
            self.wait(rest)
        return result

    def notify(self, n=1):
        """Ends n waits."""
        self._check(_library.notify(self._get(), n))

    def notify_all(self):
        """Ends all waits."""
        self.notify(_ALL)
