"""A SQLite VFS that counts syncs and can fail, wrapped round the default one of the very library that Python uses.

It is installed through ctypes: sqlite.org/vfs.html and sqlite.org/c3ref/vfs.html describe the two structures.
"""

import ctypes
import sys
from collections import Counter
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from typing import Any, ClassVar, Final

SQLITE_OK: Final = 0
SQLITE_FULL: Final = 13
SQLITE_IOERR_FSYNC: Final = 10 | 4 << 8
OPEN_MAIN_DB: Final = 0x0000_0100
OPEN_WAL: Final = 0x0008_0000


class _File(Structure):
    pass


_Write = CFUNCTYPE(c_int, POINTER(_File), c_void_p, c_int, c_int64)
_Sync = CFUNCTYPE(c_int, POINTER(_File), c_int)


class _Methods(Structure):
    """sqlite3_io_methods, version 3."""

    _fields_: ClassVar[Any] = [
        ("iVersion", c_int),
        ("xClose", c_void_p),
        ("xRead", c_void_p),
        ("xWrite", _Write),
        ("xTruncate", c_void_p),
        ("xSync", _Sync),
        *[(f"x{index}", c_void_p) for index in range(13)],
    ]


_File._fields_ = [("pMethods", POINTER(_Methods))]


class _Vfs(Structure):
    """sqlite3_vfs, version 3."""


# The name goes through as a pointer: SQLite keeps it, so a copy that ctypes makes for one call would not do.
_Open = CFUNCTYPE(c_int, POINTER(_Vfs), c_void_p, POINTER(_File), c_int, POINTER(c_int))
_Vfs._fields_ = [
    ("iVersion", c_int),
    ("szOsFile", c_int),
    ("mxPathname", c_int),
    ("pNext", c_void_p),
    ("zName", c_char_p),
    ("pAppData", c_void_p),
    ("xOpen", _Open),
    *[(f"x{index}", c_void_p) for index in range(14)],
]


def _library() -> ctypes.CDLL:
    """The library that `sqlite3` is linked to: looked up through the extension module, or in the program itself."""
    import _sqlite3

    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None) or sys.executable)
    library.sqlite3_vfs_find.restype = POINTER(_Vfs)
    library.sqlite3_vfs_find.argtypes = [c_char_p]
    library.sqlite3_vfs_register.argtypes = [POINTER(_Vfs), c_int]
    library.sqlite3_vfs_unregister.argtypes = [POINTER(_Vfs)]
    return library


class WatchedVfs:
    """Counts syncs by kind of file. `write_answer` and `sync_answer` make the write-ahead log fail."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.syncs: Counter[str] = Counter()
        self.write_answer = SQLITE_OK
        self.sync_answer = SQLITE_OK
        self._library = _library()
        self._default = self._library.sqlite3_vfs_find(None)
        # SQLite keeps pointers to these; they must live as long as the VFS is registered.
        self._kept: list[Any] = []
        self._vfs = _Vfs.from_buffer_copy(self._default.contents)
        self._vfs.zName = name.encode()
        self._vfs.xOpen = self._open = _Open(self._open_file)
        self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 0)

    def unregister(self) -> None:
        """Call it when every connection through this VFS is closed."""
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))

    def _open_file(self, vfs: Any, name: Any, file: Any, flags: int, flags_out: Any) -> int:
        code: int = self._default.contents.xOpen(vfs, name, file, flags, flags_out)
        if code == SQLITE_OK and flags & (OPEN_MAIN_DB | OPEN_WAL):
            self._watch(file, "wal" if flags & OPEN_WAL else "database")
        return code

    def _watch(self, file: Any, kind: str) -> None:
        inner = file.contents.pMethods.contents
        methods = _Methods.from_buffer_copy(inner)

        def write(file: Any, data: Any, amount: int, offset: int) -> int:
            if kind == "wal" and self.write_answer != SQLITE_OK:
                return self.write_answer
            code: int = inner.xWrite(file, data, amount, offset)
            return code

        def sync(file: Any, flags: int) -> int:
            self.syncs[kind] += 1
            if kind == "wal" and self.sync_answer != SQLITE_OK:
                return self.sync_answer
            code: int = inner.xSync(file, flags)
            return code

        methods.xWrite = _Write(write)
        methods.xSync = _Sync(sync)
        self._kept += [inner, methods]
        file.contents.pMethods = ctypes.pointer(methods)
