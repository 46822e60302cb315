"""The objects of an image file in Singularity's format (SIF): a header, descriptors, and data.

The file is a user's: damage and malice are :class:`NoSif`, and never a long read.

Source: https://github.com/apptainer/sif/blob/main/pkg/sif/sif.go (header), descriptor.go and arch.go beside it; all
numbers are little endian.
"""

import os
import stat
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List

PARTITION = 0x4004
GENERIC_JSON = 0x4006
_PRIMARY_SYSTEM = 2

_HEADER = struct.Struct("<32s10s3s3s16sqqqqqqqq")
_DESCRIPTOR = struct.Struct("<i?IIIqqqqqqq128s384s")
_PARTITION_EXTRA = struct.Struct("<ii3s")
_MAGIC = b"SIF_MAGIC\0"
_MAX_DESCRIPTORS = 1024
"""The runtimes make room for 48."""
_ARCHITECTURES = {
    b"01": "386",
    b"02": "amd64",
    b"03": "arm",
    b"04": "arm64",
    b"05": "ppc64",
    b"06": "ppc64le",
    b"07": "mips",
    b"08": "mipsle",
    b"09": "mips64",
    b"10": "mips64le",
    b"11": "s390x",
    b"12": "riscv64",
}


class NoSif(Exception):
    """The file cannot be read, is damaged, or is something else."""


class SifObject:
    """One object in the file."""

    def __init__(self, kind: int, offset: int, size: int, extra: bytes) -> None:
        self.kind = kind
        self.offset = offset
        self.size = size
        self._extra = extra

    @property
    def architecture(self) -> str:
        """Of the primary system partition, by Go's name; empty for any other object, and where it is not known."""
        if self.kind != PARTITION:
            return ""
        _, part, code = _PARTITION_EXTRA.unpack_from(self._extra)
        return _ARCHITECTURES.get(code[:2], "") if part == _PRIMARY_SYSTEM else ""


class Sif:
    """An open image file; use it in a ``with``."""

    def __init__(self, path: str) -> None:
        """
        :raises NoSif: there is no such file, or it is something else
        """
        try:
            # A pipe in the place of an image must not stop us.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise NoSif(str(error)) from None
        try:
            self.objects = self._read_objects()
        except NoSif:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> "Sif":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def _read_objects(self) -> "List[SifObject]":
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise NoSif("it is no plain file")
        header = _HEADER.unpack(self._read(0, _HEADER.size))
        magic, total, offset = header[1], header[8], header[9]
        if magic != _MAGIC or not 0 <= total <= _MAX_DESCRIPTORS:
            raise NoSif("it does not begin as a SIF does")
        return list(_parse(self._read(offset, total * _DESCRIPTOR.size)))

    def read(self, of: SifObject) -> bytes:
        """The data of an object; whoever calls this has looked at its size.

        :raises NoSif: the file is shorter
        """
        return self._read(of.offset, of.size)

    def _read(self, offset: int, size: int) -> bytes:
        try:
            data = os.pread(self._descriptor, size, offset)
        except (OSError, OverflowError) as error:
            raise NoSif(str(error)) from None
        if len(data) != size:
            raise NoSif("it is shorter than it says")
        return data


def _parse(table: bytes) -> "Iterator[SifObject]":
    for kind, is_used, _, _, _, offset, size, _, _, _, _, _, _, extra in _DESCRIPTOR.iter_unpack(table):
        if is_used and offset >= 0 and size >= 0:
            yield SifObject(kind, offset, size, extra)
