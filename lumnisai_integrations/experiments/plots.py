"""Plots of experiments with matplotlib: points with intervals, for means and for differences."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lumnisai_core.display import one_line
from lumnisai_integrations.experiments.statistics import Difference, Mean
from lumnisai_integrations.experiments.tables import VariantSummary

_CLEAR, _UNCLEAR = "tab:blue", "tab:gray"
_LONGEST_LABEL = 60


class _NotebookFigure(Figure):
    """A figure that a notebook shows although pyplot, and so the settings of the program, do not know it."""

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


def draw_means(name: str, summary: Sequence[VariantSummary], scorers: Sequence[str]) -> Figure:
    """Draw the means of variants, one panel for each score; variants without a score have no point.

    Args:
        name: Name of the experiment.
        summary: The variants.
        scorers: The scores to draw.
    """
    figure, panels = _panels(name, len(scorers), len(summary))
    labels = [one_line(one.variant, _LONGEST_LABEL) for one in summary]
    for axes, scorer in zip(panels, scorers, strict=True):
        means = [one.means.get(scorer, Mean(None)) for one in summary]
        _draw(axes, labels, [(mean.value, mean.low, mean.high) for mean in means], [_CLEAR] * len(means))
        axes.set_xlabel(f"{one_line(scorer, _LONGEST_LABEL)}: mean with interval of 95 %", parse_math=False)
        if all(0 <= mean.value <= 1 for mean in means if mean.value is not None):
            axes.set_xlim(-0.03, 1.03)
    return figure


def draw_differences(name: str, differences: Sequence[Difference], scorers: Sequence[str]) -> Figure:
    """Draw the differences of pairs, one panel for each score; those that could be chance are grey.

    Args:
        name: Name of the experiment.
        differences: The differences.
        scorers: The scores to draw.
    """
    drawn = [[one for one in differences if one.scorer == scorer] for scorer in scorers]
    figure, panels = _panels(name, len(scorers), max(map(len, drawn)))
    for axes, scorer, pairs in zip(panels, scorers, drawn, strict=True):
        labels = [one_line(f"{one.second} - {one.first}", _LONGEST_LABEL) for one in pairs]
        colours = [_CLEAR if one.is_clear else _UNCLEAR for one in pairs]
        _draw(axes, labels, [(one.value, one.low, one.high) for one in pairs], colours)
        axes.axvline(0, color="black", linewidth=0.8)
        about = "difference with interval of 95 %; grey: could be chance"
        axes.set_xlabel(f"{one_line(scorer, _LONGEST_LABEL)}: {about}", parse_math=False)
    return figure


def _panels(name: str, count: int, lines: int) -> tuple[Figure, list[Axes]]:
    figure = _NotebookFigure(figsize=(8, count * (1.1 + 0.4 * max(1, lines))), layout="constrained")
    FigureCanvasAgg(figure)
    panels: list[Axes] = list(figure.subplots(count, 1, squeeze=False)[:, 0])
    panels[0].set_title(one_line(name, 100), parse_math=False)
    return figure, panels


def _draw(
    axes: Axes,
    labels: Sequence[str],
    points: Sequence[tuple[float | None, float | None, float | None]],
    colours: Sequence[str],
) -> None:
    for place, ((value, low, high), colour) in enumerate(zip(points, colours, strict=True)):
        if value is None:
            continue
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot([value], [place], "o", color=colour)
        axes.annotate(f"{value:.2f}", (value, place), (0, 6), textcoords="offset points", ha="center", fontsize=8)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
