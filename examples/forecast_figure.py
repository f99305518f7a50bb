"""A forecast against what happened, as a picture: the last horizon of one series is hidden, forecast, and drawn.

    recurra train forecast series
    recurra data series                                          says where the file of the set is
    python examples/forecast_figure.py runs/series FILE elnino forecast.svg

The band is the interval of 80 %, the line in it the median, the dots the truth.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import recurra

WIDTH, HEIGHT, EDGE = 720, 240, 28


def picture(run: recurra.Run, file: str, name: str) -> str:
    """The SVG of one series of `file`."""
    series = {one.name: one for one in run.task.dataset.inputs(file) or ()}
    if name not in series:
        raise SystemExit(f"{file} has no series {name!r}; there are {', '.join(list(series)[:10])}")
    whole = series[name]
    horizon = len(run.predict([whole])[0]["mean"])
    begin = len(whole) - horizon
    said = run.predict([replace(whole, values=whole.values[:begin], past=whole.past[:begin])])[0]
    shown = whole.values[-4 * horizon :]
    low, high = (np.array(said["quantiles"][level]) for level in ("0.1", "0.9"))
    values = np.concatenate([shown[~np.isnan(shown)], low, high])
    bottom, top = values.min(), values.max()

    def at(step: float, value: float) -> str:
        x = EDGE + (WIDTH - 2 * EDGE) * step / (len(shown) - 1)
        y = HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (value - bottom) / (top - bottom)
        return f"{x:.1f},{y:.1f}"

    first = len(shown) - horizon
    steps = range(first, len(shown))
    band = [at(s, v) for s, v in zip(steps, high, strict=True)]
    band += [at(s, v) for s, v in zip(reversed(steps), low[::-1], strict=True)]
    past = " ".join(at(s, v) for s, v in enumerate(shown[: first + 1]) if v == v)
    median = " ".join(at(s, v) for s, v in zip(steps, said["median"], strict=True))
    truth = [at(s, v).split(",") for s, v in zip(steps, shown[first:], strict=True) if v == v]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="2.2" fill="#333"/>' for x, y in truth)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/><polygon points="{" ".join(band)}" fill="#f5c9a8"/>'
        f'<polyline points="{past}" fill="none" stroke="#333" stroke-width="1.3"/>'
        f'<polyline points="{median}" fill="none" stroke="#c1440e" stroke-width="1.8"/>{dots}'
        f'<text x="{EDGE}" y="16">{name}: {said["time"][0]} to {said["time"][-1]}, forecast and truth; '
        f"from {bottom:.4g} to {top:.4g}</text></svg>\n"
    )


if __name__ == "__main__":
    run_folder, file, name, out = sys.argv[1:]
    Path(out).write_text(picture(recurra.load(run_folder), file, name), encoding="utf-8")
