"""A trunk of Keras layers as nodes."""

from __future__ import annotations

from skjoint._onnx.trunk.walk import write_trunk

__all__ = ["write_trunk"]
