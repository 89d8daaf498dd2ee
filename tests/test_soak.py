"""Many fits and predictions in one process: neither memory nor time grows with their number."""

import sys
from pathlib import Path

import pytest

from skjoint._programs import training_programs

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import soak

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory on Linux"),
]


def test_fits_of_varying_shape(monkeypatch):
    """Nearly every fit builds a program, some 4 MB, and drops another."""
    monkeypatch.setattr(training_programs, "max_idle", 2)
    training_programs.clear()
    with soak.messages_of_tensorflow() as logged:
        memory, seconds = soak.soak(soak.fits, 24)
    assert memory[-1] - memory[3] < 60  # over 12 fits
    assert soak.late_to_early(seconds) < 4
    assert logged == []


def test_predictions_of_single_rows():
    memory, seconds = soak.soak(soak.predictions, 8000)
    assert memory[-1] - memory[3] < 5
    assert soak.late_to_early(seconds) < 3
