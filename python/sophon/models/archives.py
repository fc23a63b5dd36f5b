"""Taking one file out of a wheel, a source archive or an npm tarball.

The bytes are returned, never written to a path that the archive names: nothing in an archive can reach the disk.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
from pathlib import Path
from typing import IO

from sophon.errors import Code, SophonError

MAX_MEMBER_BYTES = 512 << 20
MAX_UNPACKED_BYTES = 2 << 30
"""How much of a compressed tar is unpacked in search of a member: a bomb ends here."""


def read_member(archive: Path, member: str, limit: int = MAX_MEMBER_BYTES) -> bytes:
    """Return the bytes of the regular file `member`.

    Raises SophonError (SERVER_PROCESS_FAILED) where the archive is broken, or the member is missing, not a regular
    file, or over `limit` bytes.
    """
    read = _read_zipped if zipfile.is_zipfile(archive) else _read_tarred
    try:
        return read(archive, member, limit)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise _refused(archive, f"can't be read: {error}") from error


def _read_zipped(archive: Path, member: str, limit: int) -> bytes:
    with zipfile.ZipFile(archive) as opened:
        try:
            info = opened.getinfo(member)
        except KeyError:
            raise _refused(archive, f"holds no {member}") from None
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise _refused(archive, f"{member} is not a regular file")
        with opened.open(info) as file:
            return _read_bounded(file, limit, archive, member)


def _read_tarred(archive: Path, member: str, limit: int) -> bytes:
    unpacked = 0
    with tarfile.open(archive, "r:*") as opened:
        for info in opened:
            if info.name == member:
                file = opened.extractfile(info) if info.isreg() else None
                if file is None:
                    raise _refused(archive, f"{member} is not a regular file")
                return _read_bounded(file, limit, archive, member)
            unpacked += info.size
            if unpacked > MAX_UNPACKED_BYTES:
                raise _refused(archive, f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    raise _refused(archive, f"holds no {member}")


def _read_bounded(file: IO[bytes], limit: int, archive: Path, member: str) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise _refused(archive, f"{member} is over {limit} bytes")
    return data


def _refused(archive: Path, why: str) -> SophonError:
    return SophonError(Code.SERVER_PROCESS_FAILED, f"the archive {archive.name} {why}")
