"""The curves of a fine-tuning run."""

from __future__ import annotations

from matplotlib.figure import Figure

from ambivox.models.reporting.figures.style import PALETTE, figure


def curves_figure(curves: list[dict[str, float]], best_epoch: int) -> Figure:
    """Loss on the training split and JS on the development split, by epoch; the epoch that was kept is marked.

    Args:
        curves: a row an epoch: epoch, loss, learning_rate and, where there is a development split,
            development_js.
        best_epoch: from 1.
    """
    made, (axes,) = figure()
    epochs = [row["epoch"] for row in curves]
    axes.plot(epochs, [row["loss"] for row in curves], color=PALETTE[0], label="training loss (nats)")
    if curves and "development_js" in curves[0]:
        axes.plot(
            epochs,
            [row["development_js"] for row in curves],
            color=PALETTE[1],
            label="development JS (base 2)",
        )
        axes.axvline(
            best_epoch, color="#555555", linestyle="--", linewidth=1, label=f"kept: epoch {best_epoch}"
        )
    axes.set_xlabel("epoch")
    axes.set_ylim(bottom=0)
    axes.set_title("Fine-tuning")
    axes.legend()
    return made
