"""The figure of a fine-tuning run: its training curves."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ambivox.models.reporting.figures.style import DARK, new_figure, shared_legend, styled
from ambivox.models.reporting.source_names import PALETTE


@styled
def training_curves_figure(curves: Sequence[dict[str, float]], best_epoch: int) -> Figure:
    """Draw the training loss and the JS on the development split by epoch, and mark the epoch that was kept.

    Args:
        curves: one row per epoch: ``epoch``, ``loss``, ``learning_rate`` and, where there is a development split,
            ``development_js``.
        best_epoch: the epoch that was kept, from 1.
    """
    figure, (axes,) = new_figure()
    epochs = [row["epoch"] for row in curves]
    axes.plot(epochs, [row["loss"] for row in curves], color=PALETTE[0], label="training loss (nats)")
    if curves and "development_js" in curves[0]:
        js = [row["development_js"] for row in curves]
        axes.plot(epochs, js, color=PALETTE[1], label="development JS (base 2)")
        axes.axvline(best_epoch, color=DARK, linestyle="--", linewidth=1, label=f"kept: epoch {best_epoch}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="epoch", ylabel="loss, JS", title="Fine-tuning")
    axes.set_ylim(bottom=0)
    shared_legend(figure, axes, 3)
    return figure
