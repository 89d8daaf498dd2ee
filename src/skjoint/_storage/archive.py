"""The file as a whole: a zip archive with one document and the arrays beside it.

``skjoint.json`` holds everything but numbers in bulk, which lie beside it as raw
little-endian arrays, uncompressed.
"""

from __future__ import annotations

import json
import zipfile

import skjoint
from skjoint._storage.refusal import RefusedError, refused
from skjoint._support.files import whole_file

# Raised when older versions would misread new files; then run tests/write_golden_file.py.
FORMAT = 1
DOCUMENT = "skjoint.json"
MAX_DOCUMENT = 2**26  # bytes of JSON


def write_archive(path, document, arrays):
    """Write a document (a dict that JSON can hold) and arrays (bytes by name) to ``path``."""
    text = json.dumps({"format": FORMAT, **document})
    if len(text) > MAX_DOCUMENT:
        raise ValueError(
            f"The labels, categories and history of a model must fit into {MAX_DOCUMENT} bytes of "
            f"JSON, which load reads. Got {len(text)} instead."
        )
    with whole_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(DOCUMENT, text)
        for name, data in arrays.items():
            archive.writestr(name, data)


def read_archive(path):
    """The document and the arrays' bytes; nothing is unpacked to disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            document, arrays = _entries(archive, path.stat().st_size)
    except RefusedError:
        raise
    except (ValueError, RecursionError) as error:  # so do numbers of 5,000 digits
        raise refused(f"{DOCUMENT} is not JSON ({error})") from error
    # What zipfile raises for damage, unknown kinds of compression and encrypted entries.
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise refused(f"it is damaged or of another kind ({error})") from error
    _check_format(document)
    return document, arrays


def _entries(archive, size):
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if DOCUMENT not in names or len(set(names)) != len(names):
        raise refused(f"it has no {DOCUMENT}, or entries of one name")
    # Stored as they are, entries cannot grow: the file's size bounds the memory.
    packed = [e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED]
    if packed or sum(e.file_size for e in entries) > size:
        raise refused("its entries are compressed or overlap")
    if archive.getinfo(DOCUMENT).file_size > MAX_DOCUMENT:
        raise refused(f"{DOCUMENT} is too large")
    document = json.loads(archive.read(DOCUMENT))
    return document, {name: archive.read(name) for name in names if name != DOCUMENT}


def _check_format(document):
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
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
