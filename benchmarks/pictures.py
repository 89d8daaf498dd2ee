"""The pictures of README.md in this folder, each once for light and once for dark pages.

predictions
    bands of the diabetes data, cut from the number at 100 and 180;
labels
    the tutorial's 28 labels, on abalone;
training
    diabetes again, early stopping, losses balanced by "uncertainty";
network
    the trunk and the heads of that model.

    python benchmarks/pictures.py    # writes benchmarks/plots/*.png
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from sklearn.model_selection import train_test_split

from skjoint import JointRegressorClassifier
from skjoint.datasets import fetch_abalone, load_diabetes_bands
from skjoint.plots import JointPredictionDisplay, TrainingCurveDisplay, plot_network

STYLES = {"light": "default", "dark": "dark_background"}


def figures():
    """Functions that draw, by the name of the picture; all fits are done beforehand."""
    X, y = load_diabetes_bands(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    banded = JointRegressorClassifier(class_bins=[100.0, 180.0], epochs=20, random_state=0)
    banded.fit(X_train, y_train["progression"])
    balanced = JointRegressorClassifier(
        loss_weights="uncertainty", early_stopping=True, epochs=100, random_state=0
    ).fit(X_train, y_train)
    X_sea, X_sea_test, rings, rings_test = train_test_split(
        *fetch_abalone(return_X_y=True), random_state=0
    )
    many = JointRegressorClassifier(random_state=0).fit(X_sea, rings)
    of = JointPredictionDisplay.from_estimator
    return {
        "predictions": lambda: of(banded, X_test, y_test["progression"]).figure_,
        "labels": lambda: of(many, X_sea_test, rings_test).figure_,
        "training": lambda: TrainingCurveDisplay.from_estimator(balanced).figure_,
        "network": lambda: plot_network(balanced).figure,
    }


def main():
    parser = argparse.ArgumentParser(
        prog="pictures.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Path(__file__).parent / "plots"
    parser.add_argument(
        "--folder", type=Path, default=default, help="default: plots/ next to the script"
    )
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image  # comes with matplotlib

    for name, draw in figures().items():
        for suffix, style in STYLES.items():
            with plt.style.context(style):
                figure = draw()
                path = folder / f"{name}-{suffix}.png"
                figure.savefig(buffer := io.BytesIO(), dpi=80)
                plt.close(figure)
                # A palette makes the file a third as large.
                Image.open(buffer).convert("RGB").quantize(256).save(path, optimize=True)
                print(f"{path.stat().st_size / 1000:5.1f} kB  {path}")


if __name__ == "__main__":
    main()
