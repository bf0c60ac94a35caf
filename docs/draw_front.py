"""Draw the README's picture from a database: python docs/draw_front.py digits docs/front.svg (needs matplotlib)."""

from __future__ import annotations

import sys

import matplotlib

import gasearch

matplotlib.use("svg")
from matplotlib import pyplot


def main(name: str, path: str) -> None:
    """Accuracy over bytes: every evaluation, and the front with its latency as colour."""
    matplotlib.rcParams |= {"svg.hashsalt": "gasearch", "svg.fonttype": "none", "font.size": 9}
    search = gasearch.open(name)
    others = [one.metrics for one in search.evaluations() if one.metrics and not one.is_on_front]
    front = [point.metrics for point in search.front()]
    figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    axes.scatter(
        [m["model_bytes"] for m in others], [m["accuracy"] for m in others], s=14, color="0.8", label="evaluated"
    )
    shown = axes.scatter(
        [m["model_bytes"] for m in front],
        [m["accuracy"] for m in front],
        c=[1000 * m["latency_ms"] for m in front],
        s=30,
        cmap="viridis_r",
        edgecolors="0.2",
        linewidths=0.5,
        label="Pareto front",
    )
    axes.set(xscale="log", xlabel="model_bytes", ylabel="accuracy (quantized, validation)")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", frameon=False)
    figure.colorbar(shown, label="latency (µs)")
    figure.savefig(path, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main(*sys.argv[1:3])
