"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows, where an open file cannot be taken away
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def whole_file(path):
    """A binary stream whose content takes the place of ``path`` at the end.

    Whatever happens before, a kill included, leaves the old file as it was; what a kill leaves
    beside it, the next call takes away. The new file has the permissions of the old one. A
    symlink is followed, as by ``open``. A pipe or device is written to directly.
    """
    try:
        old = os.stat(path)  # of a link's target
    except FileNotFoundError:
        old = None
    if old is not None and not stat.S_ISREG(old.st_mode):
        with open(path, "wb") as stream:  # raises for a folder
            yield stream
        return
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} to.")
    part, handle = _new_part(path, old)
    held = os.dup(handle) if fcntl else None  # the lock lasts until the part is in its place
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        if held is not None:
            os.close(held)


def _new_part(path, old):
    """A new file beside ``path`` and its handle, with the permissions of the ``old`` one.

    Its name is short whatever that of ``path`` is, and tells parts of one path from others.
    """
    name = f".skjoint-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}"
    _clear(path.parent, name)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        part = path.with_name(f"{name}-{secrets.token_hex(4)}.part")
        # The system takes the umask off; nobody else reads what replaces a file of the owner's.
        handle = os.open(part, flags, 0o666 if old is None else 0o600)
        if _lock(handle) and part.exists():  # else another call has just cleared it away
            break
        os.close(handle)
    if old is not None:
        _set_permissions(part, old)
    return part, handle


def _set_permissions(part, old):
    """Owner, group and permissions of another file, never those of a wider circle."""
    mode = stat.S_IMODE(old.st_mode) & 0o777
    new = os.stat(part)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.chown(part, old.st_uid, old.st_gid)
        except OSError:  # only root may; the group that is there now was given nothing
            mode &= ~0o070
    os.chmod(part, mode)


def _clear(folder, name):
    """Take away the parts that killed processes have left."""
    for part in folder.glob(f"{name}-*.part"):
        with contextlib.suppress(OSError):
            handle = os.open(part, os.O_RDWR)
            try:
                if _lock(handle):
                    part.unlink()
            finally:
                os.close(handle)


def _lock(handle):
    """Whether no other process writes to the file; until it is closed this one does."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
