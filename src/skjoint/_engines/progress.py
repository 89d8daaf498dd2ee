"""Hooks that show the progress of a training.

``keras.utils.Progbar`` would do less here: it writes colours and backspaces into log files, too,
has no title for a member and no other stream than ``sys.stdout``, and needs Keras to be loaded.
"""

from __future__ import annotations

import shutil
import sys
import time


def format_logs(logs):
    """Losses and metrics under their own names, training before validation."""
    return " - ".join(f"{name}: {value:.4g}" for name, value in logs.items())


def epoch_lines(last_epoch, stream=None, title=""):
    """Hook for ``verbose=2``: one line per epoch."""

    def on_epoch(epoch, logs, get_weights):
        print(
            f"{title}Epoch {epoch + 1}/{last_epoch} - {format_logs(logs)}",
            file=stream or sys.stdout,
            flush=True,
        )
        return False

    return on_epoch


class ProgressBar:
    """Hook for ``verbose=1``: a bar that redraws itself, or some lines where it cannot.

    Terminals and notebooks go back to the start of a line; files and pipes do not.
    """

    width = 20

    def __init__(self, first_epoch, last_epoch, stream=None, title=""):
        self.title = title
        self.first_epoch, self.last_epoch = first_epoch, last_epoch
        self.stream = stream or sys.stdout
        self.is_terminal = self.stream.isatty()
        self.live = self.is_terminal or type(self.stream).__module__.startswith("ipykernel")
        self.started = self.drawn = time.monotonic()
        self.length = 0
        self.line = self.written = ""

    def __call__(self, epoch, logs, get_weights):
        done, total = epoch + 1 - self.first_epoch, self.last_epoch - self.first_epoch
        now = time.monotonic()
        # Ten redraws a second on a terminal, one line per tenth of the work in a log.
        due = now - self.drawn > 0.1 if self.live else done * 10 // total > (done - 1) * 10 // total
        left = (now - self.started) / done * (total - done)
        filled = self.width * done // total
        bar = "=" * filled + "." * (self.width - filled)
        shown = {k: v for k, v in logs.items() if k.endswith("loss")}
        self.line = (
            f"{self.title}{epoch + 1}/{self.last_epoch} [{bar}] "
            f"{left:.0f} s left - {format_logs(shown)}"
        )
        if self.is_terminal:  # which cannot go back to the start of a line that it has wrapped
            self.line = self.line[: shutil.get_terminal_size().columns - 1]
        if due or done in (1, total):
            self.drawn = now
            self._write()
        return False

    def close(self):
        """End the line; after an early end, say which epoch was the last."""
        if self.line != self.written:
            self._write()
        if self.live and self.length:
            self.stream.write("\n")
            self.stream.flush()

    def _write(self):
        padding = " " * (self.length - len(self.line))
        self.length = len(self.line)
        self.stream.write(f"\r{self.line}{padding}" if self.live else f"{self.line}\n")
        self.stream.flush()
        self.written = self.line
