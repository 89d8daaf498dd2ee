"""Pictures of a joint model: its predictions, its training, its network.

matplotlib is an extra (``pip install "skjoint[plot]"``) and imported when a
picture is drawn.
"""

from __future__ import annotations

from skjoint.plots._network import plot_network
from skjoint.plots._predictions import JointPredictionDisplay
from skjoint.plots._training import TrainingCurveDisplay

__all__ = ["JointPredictionDisplay", "TrainingCurveDisplay", "plot_network"]
