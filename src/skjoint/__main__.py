"""``python -m skjoint``: the command line of :mod:`skjoint._cli`."""

from __future__ import annotations

import sys

from skjoint._cli import main

if __name__ == "__main__":
    sys.exit(main())
