"""Plots the learning curves of the newest records of `quality.py`: metrics on the select part against minutes, a line per seed.

python benchmarks/curves.py docs/curves.svg
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from common import RESULTS

Points = Sequence[tuple[float, float]]
COLUMNS, WIDTH, HEIGHT = 4, 240, 170  # panels per row, and size of a panel in pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 30, 26  # pixels around the curves
INKS = ("#1b6ca8", "#d1495b", "#3a7d44")  # colours of the seeds
LOSSES = (
    "loss",
    "nats",
    "error",
    "mse",
    "mae",
    "rmse",
    "smape",
    "wer",
    "perplexity",
)  # metrics for which lower values are better


def newest(lines: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Return for each dataset its newest valid record with curves, on the report part with the defaults."""
    found = {}
    for line in lines:
        record = json.loads(line)
        figures = record["figures"]
        plain = figures["part"] == "report" and not figures["cell"] and not figures["set_options"]
        if plain and record["alone"] and all("curve" in seed for seed in figures["seeds"]):
            found[figures["set"]] = figures
    return dict(sorted(found.items()))


def ticks(low: float, high: float) -> list[float]:
    """Return two to five round numbers in low..high."""
    step = 10 ** math.floor(math.log10((high - low) or 1))
    while (high - low) / step < 2:
        step /= 2 if round(step / 10 ** math.floor(math.log10(step))) != 5 else 2.5
    while (high - low) / step > 5:
        step *= 2
    return [step * at for at in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def panel(name: str, figure: str, curves: Sequence[Points], *, less: bool = False) -> str:
    """Return the panel of one dataset as SVG.

    name     name of the dataset
    figure   label of the metric
    curves   (minutes, value) points of each seed
    less     whether lower values are better

    Values at the beginning that are worse than all later values, such as the first loss, are clipped.
    """
    every = [y for points in curves for _, y in points]
    late = [y for points in curves for _, y in points[len(points) // 4 :]]
    low, high = (min(every), max(late)) if less else (min(late), max(every))
    pad = (high - low) * 0.08 or abs(high) * 0.08 or 1.0
    low, high = low - pad, high + pad
    last = max(x for points in curves for x, _ in points) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + x / last * (WIDTH - LEFT - RIGHT)
        down = TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return across, down

    parts = [f'<text x="{LEFT}" y="16" class="name">{escape(name)} <tspan class="note">{escape(figure)}</tspan></text>']
    for y in ticks(low, high):
        at = place(0, y)[1]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{at + 3:.1f}" class="tick" text-anchor="end">{y:.4g}</text>')
    for x in ticks(0, last):
        across = place(x, low)[0]
        parts.append(f'<text x="{across:.1f}" y="{HEIGHT - 10}" class="tick" text-anchor="middle">{x:g}</text>')
    for ink, points in zip(INKS, curves, strict=False):
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in (place(x, y) for x, y in points))
        parts.append(f'<polyline points="{path}" class="curve" stroke="{ink}"/>')
    return "\n".join(parts)


def draw(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the plot as SVG."""
    rows = -(-len(records) // COLUMNS)
    width, height = COLUMNS * WIDTH, rows * HEIGHT
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<style>text{font:10px sans-serif;fill:#333}.name{font-size:12px;font-weight:bold}"
        ".note{font-weight:normal;fill:#777}.tick{font-size:9px;fill:#777}.grid{stroke:#e6e6e6}"
        ".curve{fill:none;stroke-width:1.5;clip-path:url(#inside)}</style>",
        f'<clipPath id="inside"><rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/></clipPath>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for at, (name, figures) in enumerate(records.items()):
        curves = [seed["curve"] for seed in figures["seeds"]]
        points = [[(x, y) for x, y in one["points"]] for one in curves]
        move = f"translate({at % COLUMNS * WIDTH} {at // COLUMNS * HEIGHT})"
        less = any(word in curves[0]["figure"] for word in LOSSES)
        better = "\u2193" if less else "\u2191"
        words = f"{curves[0]['figure'].replace('_', ' ')} {better}, min"
        out.append(f'<g transform="{move}">\n{panel(name, words, points, less=less)}\n</g>')
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="Output file, .svg.")
    out = parser.parse_args().out
    with (RESULTS / "quality.jsonl").open(encoding="utf-8") as file:
        records = newest(file)
    out.write_text(draw(records), encoding="utf-8")
    print(f"{out}: {', '.join(records)}")


if __name__ == "__main__":
    main()
