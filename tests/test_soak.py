"""Many fits and predictions in one process: neither memory nor time grows with their number."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
sys.path.append(sys.argv.pop(1))
import soak
soak.training_programs.max_idle = 2  # so that nearly every fit drops a program
soak.main()
"""
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory on Linux")
def test_memory_and_time_level_off():
    """In a process of its own, in which no other test leaves garbage to collect."""
    options = [str(BENCHMARKS), "--fits", "32", "--predictions", "8000"]
    out = subprocess.run(
        [sys.executable, "-c", CODE, *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=400,
    ).stdout
    found = re.findall(r"second half: ([+-]\d+) MB; late / early: ([\d.]+)", out)
    (fits_mb, fits_ratio), (rows_mb, rows_ratio) = [(int(mb), float(r)) for mb, r in found]
    assert fits_mb < 100  # of 16 fits, most of which build a program of some 4 MB
    assert rows_mb < 5
    assert fits_ratio < 4
    assert rows_ratio < 3
    assert "warnings of TensorFlow: 0" in out
