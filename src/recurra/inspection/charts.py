"""Panels of figures: lines, points and heat maps, drawn as SVG or by matplotlib."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from html import escape
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 480, 240, 60, 28, 110, 40
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito 2008
MAX_CELLS = 4000  # of a heat map; a larger one is averaged over blocks


@dataclass(frozen=True)
class Chart(ABC):
    """One pair of axes.

    Attributes:
        title: what it shows.
        x_label: the horizontal axis.
        y_label: the vertical axis.
    """

    title: str
    x_label: str
    y_label: str

    @abstractmethod
    def draw(self, figure: Any, axes: Any) -> None:
        """Draw on axes of matplotlib."""

    @abstractmethod
    def marks(self) -> str:
        """Return what is inside the axes, and their numbers, as SVG."""

    def svg(self) -> str:
        """Return the chart as an SVG element."""
        inner_x, inner_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
        frame = (
            f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" fill="none" '
            'stroke="currentColor" stroke-opacity="0.4"/>'
        )
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" font-family="sans-serif" font-size="11" '
            f'fill="currentColor" xmlns="http://www.w3.org/2000/svg"><title>{escape(self.title)}</title>'
            f"{_text(inner_x, 16, self.title)}{self.marks()}{frame}{_text(inner_x, HEIGHT - 8, self.x_label)}"
            f'<g transform="rotate(-90 12 {inner_y})">{_text(12, inner_y, self.y_label)}</g></svg>'
        )

    def _label(self, axes: Any) -> None:
        axes.set_title(self.title)
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)


@final
@dataclass(frozen=True)
class Lines(Chart):
    """Lines, or points without lines.

    Attributes:
        curves: (x, y) by name.
        log: whether the vertical axis is logarithmic; values that are not above 0 are left out.
        points: whether points are drawn and no lines.
    """

    curves: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    log: bool = False
    points: bool = False

    def draw(self, figure: Any, axes: Any) -> None:
        """See `Chart.draw`."""
        for name, (x, y) in self.curves.items():
            axes.plot(x, y, "o" if self.points else "-", label=name, markersize=3)
        if self.log:
            axes.set_yscale("log")
        if len(self.curves) > 1:
            axes.legend(fontsize="small")
        self._label(axes)

    def marks(self) -> str:
        """See `Chart.marks`."""
        shown = {name: self._finite(*curve) for name, curve in self.curves.items()}
        filled = [curve for curve in shown.values() if len(curve[0])]
        if not filled:
            return _text(WIDTH / 2, HEIGHT / 2, "no finite value")
        x_low, x_high = _limits(np.concatenate([x for x, _ in filled]))
        y_low, y_high = _limits(np.concatenate([y for _, y in filled]))
        drawn = []
        for n, (name, (x, y)) in enumerate(shown.items()):
            color = COLORS[n % len(COLORS)]
            px = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
            py = HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
            if self.points:
                drawn += [
                    f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2" fill="{color}"/>' for a, b in zip(px, py, strict=True)
                ]
            else:
                path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
                drawn.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>')
            if len(shown) > 1 and n < 12:
                drawn.append(
                    f'<text x="{WIDTH - RIGHT + 6}" y="{TOP + 12 + 14 * n}" fill="{color}">{escape(name)}</text>'
                )
        bounds = [10.0**y_low, 10.0**y_high] if self.log else [y_low, y_high]
        return "".join(drawn) + _numbers((x_low, x_high), (bounds[0], bounds[1]))

    def _finite(self, x: Array, y: Array) -> tuple[Array, Array]:
        x, y = np.asarray(x, float), np.asarray(y, float)
        if self.log:
            y = np.log10(y, where=y > 0, out=np.full(y.shape, np.nan))
        keep = np.isfinite(x) & np.isfinite(y)
        return x[keep], y[keep]


@final
@dataclass(frozen=True)
class HeatMap(Chart):
    """A matrix as colors.

    Attributes:
        values: (rows, columns).
        rows: label of each row; none are shown if empty.
        columns: label of each column; none are shown if empty.
    """

    values: Array = field(default_factory=lambda: np.zeros((0, 0)))
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def draw(self, figure: Any, axes: Any) -> None:
        """See `Chart.draw`."""
        figure.colorbar(axes.imshow(self.values, aspect="auto", interpolation="nearest"), ax=axes)
        for labels, set_ticks in ((self.rows, axes.set_yticks), (self.columns, axes.set_xticks)):
            if labels:
                set_ticks(range(len(labels)), labels)
        self._label(axes)

    def marks(self) -> str:
        """See `Chart.marks`."""
        values = _reduced(np.asarray(self.values, float))
        finite = values[np.isfinite(values)]
        if not finite.size:
            return _text(WIDTH / 2, HEIGHT / 2, "no finite value")
        low, high = _limits(finite)
        R, C = values.shape
        w, h = (WIDTH - LEFT - RIGHT) / C, (HEIGHT - TOP - BOTTOM) / R
        cells = [
            f'<rect x="{LEFT + c * w:.1f}" y="{TOP + r * h:.1f}" width="{w:.2f}" height="{h:.2f}" fill="#0072b2" '
            f'fill-opacity="{(values[r, c] - low) / (high - low):.2f}"/>'
            for r in range(R)
            for c in range(C)
            if np.isfinite(values[r, c])
        ]
        if len(self.rows) == R <= 20:
            cells += [
                _text(LEFT - 4, TOP + (r + 0.7) * h, label[:8], anchor="end") for r, label in enumerate(self.rows)
            ]
        if len(self.columns) == C <= 20:
            cells += [_text(LEFT + (c + 0.5) * w, HEIGHT - BOTTOM + 12, s[:6]) for c, s in enumerate(self.columns)]
        scale = f"{low:.3g} (white) to {high:.3g}"
        return "".join(cells) + _text(WIDTH - 4, TOP + 10, scale, anchor="end")


def _reduced(values: Array) -> Array:
    """Return a matrix of at most MAX_CELLS numbers: the means of blocks."""
    R, C = values.shape
    r, c = min(R, 60), min(C, max(1, MAX_CELLS // max(min(R, 60), 1)))
    for axis, count in ((0, r), (1, c)):
        if count < values.shape[axis]:
            parts = np.array_split(values, count, axis=axis)
            values = np.concatenate([part.mean(axis=axis, keepdims=True) for part in parts], axis=axis)
    return values


def _limits(values: Array) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _numbers(x: tuple[float, float], y: tuple[float, float]) -> str:
    bottom = HEIGHT - BOTTOM
    return (
        _text(LEFT, bottom + 14, f"{x[0]:.4g}")
        + _text(WIDTH - RIGHT, bottom + 14, f"{x[1]:.4g}")
        + _text(LEFT - 4, bottom, f"{y[0]:.3g}", anchor="end")
        + _text(LEFT - 4, TOP + 8, f"{y[1]:.3g}", anchor="end")
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
