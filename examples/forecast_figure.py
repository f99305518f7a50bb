"""Draws a forecast and the observed values as an SVG file: the last horizon of one series is hidden and forecast.

    recurra train forecast series
    recurra data series                                          prints the path of the dataset
    python examples/forecast_figure.py runs/series FILE elnino forecast.svg

The band is the 80 % prediction interval, the line in it is the median, and the dots are the observed values.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import recurra

WIDTH, HEIGHT, MARGIN = 720, 240, 28


def picture(run: recurra.Run, file: str, name: str) -> str:
    """Return the SVG of one series of `file`."""
    series = {one.name: one for one in run.task.dataset.inputs(file) or ()}
    if name not in series:
        raise SystemExit(f"{file} has no series {name!r}; available: {', '.join(list(series)[:10])}")
    full = series[name]
    horizon = len(run.predict([full])[0]["mean"])
    origin = len(full) - horizon
    context = replace(full, values=full.values[:origin], past_covariates=full.past_covariates[:origin])
    forecast = run.predict([context])[0]
    shown = full.values[-4 * horizon :]
    low, high = (np.array(forecast["quantiles"][level]) for level in ("0.1", "0.9"))
    values = np.concatenate([shown[~np.isnan(shown)], low, high])
    bottom, top = values.min(), values.max()

    def at(step: float, value: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / (len(shown) - 1)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - bottom) / (top - bottom)
        return f"{x:.1f},{y:.1f}"

    first = len(shown) - horizon
    steps = range(first, len(shown))
    band = [at(s, v) for s, v in zip(steps, high, strict=True)]
    band += [at(s, v) for s, v in zip(reversed(steps), low[::-1], strict=True)]
    past = " ".join(at(s, v) for s, v in enumerate(shown[: first + 1]) if v == v)
    median = " ".join(at(s, v) for s, v in zip(steps, forecast["median"], strict=True))
    observed = [at(s, v).split(",") for s, v in zip(steps, shown[first:], strict=True) if v == v]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="2.2" fill="#333"/>' for x, y in observed)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/><polygon points="{" ".join(band)}" fill="#f5c9a8"/>'
        f'<polyline points="{past}" fill="none" stroke="#333" stroke-width="1.3"/>'
        f'<polyline points="{median}" fill="none" stroke="#c1440e" stroke-width="1.8"/>{dots}'
        f'<text x="{MARGIN}" y="16">{name}: {forecast["time"][0]} to {forecast["time"][-1]}, forecast and observed values; '
        f"from {bottom:.4g} to {top:.4g}</text></svg>\n"
    )


if __name__ == "__main__":
    run_folder, file, name, out = sys.argv[1:]
    Path(out).write_text(picture(recurra.load(run_folder), file, name), encoding="utf-8")
