"""Load damaged files, many: nothing but ValueError, within bounds, and nothing else is touched.

    python tests/fuzz_files.py 20000

prints one line. An audit hook cannot be taken away again, so this is a process of its own.
"""

import copy
import io
import json
import random
import resource
import sys
import tempfile
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from skjoint import JointRegressorClassifier
from skjoint.persistence import load, save

DOCUMENT = "skjoint.json"
TIMES, BEYOND, SECONDS = 10, 2**26, 5.0
ODD = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, float("nan"), float("inf"), "", "relu", "<f8",
    "arrays/0", "x" * 1000, [], {}, [[]], {"is": "list", "items": []},
    {"is": "tuple", "items": [0]},
    {"is": "keras", "config": "{}"}, {"is": "array", "dtype": "<f8", "shape": [2**40], "data": "a"},
]  # fmt: skip
EVENTS = ("import", "socket.", "subprocess.", "os.system", "os.exec", "exec", "open", "ctypes.")


def files(folder):
    """Three files: numbers, a table of text with companions, and layers of a trunk."""
    import keras

    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    table = pd.DataFrame(X, columns=list("abc")).assign(d=rng.choice(["u", "v", "w"], 40))
    y = pd.DataFrame({"number": X[:, 0] * 3 + 1, "label": np.where(X[:, 1] > 0, "big", "small")})
    layers = [keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dropout(0.1)]
    plain = JointRegressorClassifier.plain
    mixed = {"value_loss": "histogram", "n_members": 2, "validation": 0.3, "companions": ("ridge",)}
    made = [
        (plain((4,), epochs=1, value_by_class={"big": 2.0}, random_state=0), X),
        (plain((4,), epochs=1, calibration="temperature", random_state=0, **mixed), table),
        (plain(epochs=1, trunk=keras.Sequential(layers), random_state=0), X),
    ]
    for i, (est, rows) in enumerate(made):
        save(est.fit(rows, y), folder / f"{i}")
        yield (folder / f"{i}").read_bytes(), rows[:3]


def places(node, found):
    """Pairs of container and key, everywhere in a document."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        found.append((node, key))
        if isinstance(node[key], (dict, list)):
            places(node[key], found)
    return found


def mutate_document(document, rng):
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        found = places(document, [])
        node, key = rng.choice(found)
        other_node, other = rng.choice(found)
        kind = rng.randrange(7)
        if kind == 0:
            node[key] = copy.deepcopy(rng.choice(ODD))
        elif kind == 1:
            node[key] = copy.deepcopy(other_node[other])
        elif kind == 2:
            del node[key]
        elif kind == 3 and isinstance(node[key], list):
            node[key] = node[key] * rng.choice([2, 3, 50])
        elif kind == 4 and isinstance(node[key], (int, float)):
            node[key] = node[key] * rng.choice([-1, 0, 2, 1000]) + rng.choice([0, 1])
        elif kind == 5:
            node[key] = {"is": "list", "items": [node[key]] * rng.choice([1, 3])}
        elif isinstance(node[key], str) and node[key].startswith("{"):
            config = json.loads(node[key])
            if isinstance(config, dict) and config:
                mutate_document(config, rng)
            node[key] = json.dumps(config)
        else:
            node[key], other_node[other] = other_node[other], copy.deepcopy(node[key])


def mutated(data, rng):
    if rng.random() < 0.2:  # of the bytes
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 3, 30])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        return bytes(damaged[: rng.choice([len(damaged), rng.randrange(len(damaged))])])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(entries.pop(DOCUMENT))
    if rng.random() < 0.1 and len(entries) > 1:
        one, other = rng.sample(sorted(entries), 2)
        entries[one], entries[other] = entries[other], entries[one]
    else:
        mutate_document(document, rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(DOCUMENT, json.dumps(document))
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


class Watch:
    """What a load touches: events of the interpreter beside the file itself."""

    def __init__(self, path):
        self.path = str(path)
        self.on = False
        self.seen = []
        sys.addaudithook(self.hear)

    def hear(self, event, arguments):
        if self.on and event.startswith(EVENTS):
            what = str(arguments[0]) if arguments else ""
            if not (event == "open" and what == self.path):
                self.seen.append(f"{event} {what[:100]}")


def main(n, seed=0):
    warnings.simplefilter("ignore")
    rng = random.Random(seed)
    counts = {"loaded": 0, "refused": 0, "predicted": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "damaged")
        originals = list(files(Path(folder)))
        for data, rows in originals:  # what is imported lazily is imported now
            path.write_bytes(data)
            est = load(path)
            repr(est), est.predict(rows)
        watch = Watch(path)
        largest, longest = 0.0, 0.0
        tracemalloc.start()
        for i in range(n):
            data, rows = originals[i % len(originals)]
            data = mutated(data, rng)
            path.write_bytes(data)
            tracemalloc.reset_peak()
            before, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
            watch.on = True
            try:
                est = load(path)
                counts["loaded"] += 1
            except ValueError:
                counts["refused"] += 1
                est = None
            finally:
                watch.on = False
            longest = max(longest, time.perf_counter() - start)
            used = tracemalloc.get_traced_memory()[1] - before
            share = used / (TIMES * len(data) + BEYOND)
            if share > 1 or longest > SECONDS:  # to look at it
                Path(tempfile.gettempdir(), "fuzzed.skjoint").write_bytes(data)
            largest = max(largest, share)
            if est is not None:
                try:
                    est.predict(rows)
                    counts["predicted"] += 1
                except ValueError:
                    pass
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not watch.seen, sorted(set(watch.seen))[:20]
    assert largest < 1, largest
    assert longest < SECONDS, longest
    print({**counts, "memory": round(largest, 3), "s": round(longest, 2), "rss_kb": memory})


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
