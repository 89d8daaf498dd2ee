"""The file as a whole: a zip archive with one document and the arrays beside it.

``skjoint.json`` holds everything but numbers in bulk, which lie beside it as raw
little-endian arrays, uncompressed.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile

import skjoint
from skjoint._storage.bounds import MAX_ARRAYS, MAX_DOCUMENT, Bounds
from skjoint._storage.refusal import RefusedError, refused
from skjoint._support.files import whole_file

# Raised when older versions would misread new files; then run tests/write_golden_file.py.
FORMAT = 1
DOCUMENT = "skjoint.json"
# What zipfile writes at the end of a file without a comment (PKWARE's APPNOTE.TXT, 4.3.14 to 16).
END = struct.Struct("<4s4H2LH")
PLACE_OF_END64 = struct.Struct("<4sLQL")
END64 = struct.Struct("<4sQ2H2L4Q")
ENTRY_SIZE = 128  # bytes of an entry in the directory, at most, with the names that we give


def write_archive(path, document, arrays):
    """Write a document (a dict that JSON can hold) and arrays (bytes by name) to ``path``."""
    text = json.dumps({"format": FORMAT, **document})
    if len(text) > MAX_DOCUMENT:
        raise ValueError(
            f"The labels, categories and history of a model must fit into {MAX_DOCUMENT} bytes of "
            f"JSON, which load reads. Got {len(text)} instead."
        )
    if len(arrays) > MAX_ARRAYS:
        raise ValueError(
            f"A model must have at most {MAX_ARRAYS} arrays, which load reads. Got {len(arrays)} "
            "instead."
        )
    with whole_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(DOCUMENT, text)
        for name, data in arrays.items():
            archive.writestr(name, data)


def read_archive(path):
    """The document, the arrays' bytes and what is left of the bounds; nothing goes to disk."""
    with open(path, "rb") as stream:
        bounds = Bounds(os.fstat(stream.fileno()).st_size)
        try:
            _check_directory(stream)
            with zipfile.ZipFile(stream) as archive:
                document, arrays = _entries(archive, bounds)
        except RefusedError:
            raise
        except (ValueError, RecursionError) as error:  # so do numbers of 5,000 digits
            raise refused(f"{DOCUMENT} is not JSON ({error})") from error
        # What zipfile raises for damage, unknown kinds of compression and encrypted entries.
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise refused(f"it is damaged or of another kind ({error})") from error
        except (OSError, OverflowError, struct.error) as error:  # for places that no file has
            raise refused(f"it is damaged or of another kind ({error})") from error
    _check_format(document)
    return document, arrays, bounds


def _check_directory(stream):
    """Raise unless the directory, which zipfile reads as a whole, has a size of ours."""
    size = stream.seek(0, os.SEEK_END)
    if size < END.size:
        raise zipfile.BadZipFile("no zip archive")
    stream.seek(size - END.size)
    name, *_, directory, _, comment = END.unpack(stream.read(END.size))
    if name != b"PK\5\6" or comment:
        raise zipfile.BadZipFile("no zip archive of ours")
    behind = END.size + PLACE_OF_END64.size
    if size >= behind + END64.size:
        stream.seek(size - behind)
        name, _, place, _ = PLACE_OF_END64.unpack(stream.read(PLACE_OF_END64.size))
        if name == b"PK\6\7":  # of archives of 4 GB and more
            if place != size - behind - END64.size:
                raise zipfile.BadZipFile("no zip archive of ours")
            stream.seek(place)
            directory = END64.unpack(stream.read(END64.size))[8]
    if directory > ENTRY_SIZE * (MAX_ARRAYS + 1):
        raise refused(f"it has more than {MAX_ARRAYS} arrays")


def _entries(archive, bounds):
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if DOCUMENT not in names or len(set(names)) != len(names):
        raise refused(f"it has no {DOCUMENT}, or entries of one name")
    # Stored as they are, entries cannot grow: the file's size bounds the memory.
    packed = any(
        e.compress_type != zipfile.ZIP_STORED or e.compress_size != e.file_size for e in entries
    )
    if packed or sum(e.file_size for e in entries) > bounds.size:
        raise refused("its entries are compressed or overlap")
    if archive.getinfo(DOCUMENT).file_size > MAX_DOCUMENT:
        raise refused(f"{DOCUMENT} is too large")
    text = archive.read(DOCUMENT)
    bounds.take_json(text, DOCUMENT)
    document = json.loads(text)
    bounds.take_memory(sum(entry.file_size for entry in entries))
    return document, {name: archive.read(name) for name in names if name != DOCUMENT}


def _check_format(document):
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise refused("it names no format")
    versions, params, model = (document.get(name) for name in ("versions", "params", "model"))
    made_by = versions.get("skjoint") if isinstance(versions, dict) else None
    if document["format"] > FORMAT:  # whose document may have any other form
        raise ValueError(
            f"This file has format {document['format']}, made by skjoint {made_by}; skjoint "
            f"{skjoint.__version__} reads formats up to {FORMAT}. Update skjoint."
        )
    if not (isinstance(params, dict) and isinstance(model, dict)):
        raise refused("it has no parameters or no fitted model")
