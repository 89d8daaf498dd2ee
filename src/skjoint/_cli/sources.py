"""Files and addresses as streams of bytes, and the encoding of their text."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import importlib
import lzma
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.request import urlopen

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)
BLOCK = 2**20  # bytes read at once

# That of UTF-32 begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NO_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


# ------------------------------------------------------------------------- bytes
@contextlib.contextmanager
def local_file(name: str, allow_url: bool) -> Iterator[Path]:
    """The path of a file of this machine; what an address holds is in a temporary one."""
    if Path(name).exists() or not ADDRESS.match(name):
        if not Path(name).exists():
            raise ValueError(f"There is no file {name}.")
        if Path(name).is_dir():
            raise ValueError(f"{name} is a directory and no table.")
        yield Path(name)
        return
    if not allow_url:
        raise ValueError(
            f"{name} is an address and no file of this machine. Add --allow-url to have it opened."
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "table" + "".join(Path(name.partition("?")[0]).suffixes[-2:]))
        with _open_address(name) as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield copy


def _open_address(address):
    if address.partition(":")[0].lower() in ("http", "https", "ftp", "file", "data"):
        return urlopen(address)
    try:
        return importlib.import_module("fsspec").open(address, "rb")
    except ImportError as error:  # of fsspec, or of what it needs for this kind
        raise ValueError(f"{address} cannot be opened: {error}.") from error


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The content of a file, unpacked where its ending says that it is packed."""
    with contextlib.ExitStack() as stack:
        suffix = path.suffix.lower()
        if suffix == ".zip":
            archive = stack.enter_context(zipfile.ZipFile(path))
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) != 1:
                raise ValueError(f"A .zip file must hold one table. Got {names} instead.")
            yield stack.enter_context(archive.open(names[0]))
        else:
            yield stack.enter_context(PACKED.get(suffix, open)(path, "rb"))


def blocks_of(path: Path) -> Iterator[bytes]:
    """The content of a file in blocks."""
    with open_bytes(path) as stream:
        while block := stream.read(BLOCK):
            yield block


# ---------------------------------------------------------------------- encoding
def encoding_of(blocks: Iterable[bytes], whole: bool = True) -> str:
    """The encoding of a text.

    What a byte order mark says; else UTF-8 where all bytes are that, and cp1252 where no byte
    speaks against it. UTF-8 up to a place in the middle is damaged and neither.

    Parameters
    ----------
    blocks : iterable of bytes
        The text.
    whole : bool, default=True
        Whether it ends with the last block.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, found, is_cp1252 = 1, "ascii", True
    for i, block in enumerate(blocks):
        for mark in MARKS if i == 0 else ():
            if block.startswith(mark):
                return MARKS[mark]
        if b"\0" in block:
            raise ValueError("it holds bytes that are no text (UTF-16 needs --encoding)")
        is_cp1252 = is_cp1252 and not NO_CP1252.search(block)
        if found != "cp1252":
            found = _encoding_with(decoder, block, found, line)
            line += block.count(b"\n")
    if whole and found != "cp1252":
        found = _encoding_with(decoder, b"", found, line, final=True)
    if found == "cp1252" and not is_cp1252:
        raise ValueError("it is neither UTF-8 nor cp1252: name its encoding with --encoding")
    return "utf-8" if found == "ascii" else found


def _encoding_with(decoder, block, found, line, final=False):
    """What a text is, a block further; ``found`` is what it was before."""
    try:
        text = decoder.decode(block, final)
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        if found == "ascii" and before.isascii():
            return "cp1252"
        line += before.count(b"\n")
        raise ValueError(
            f"it is UTF-8 up to line {line}, where a byte is not: name its encoding with --encoding"
        ) from None
    return found if text.isascii() else "utf-8"
