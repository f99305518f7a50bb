"""The norm of the gradient over 20 steps back in time, for recurrent weights scaled below, at and above one: tanh and ReLU.

    python examples/gradient_norms.py [--steps 20] [--hidden 64] [--seed 0] [--out gradient_norms.svg]

The recurrent weights are a rotation, or with --identity the identity, times the scale. The figure has a logarithmic axis.
NumPy only: `recurra.bptt.gradient_norms` computes the norms.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np

from recurra.bptt import RNN, gradient_norms

SCALES = (0.5, 1.0, 2.0)
COLORS = {0.5: "#2563eb", 1.0: "#059669", 2.0: "#dc2626"}
LEFT, TOP, WIDTH, HEIGHT = 70, 70, 560, 300
LOWEST, HIGHEST = -8, 8  # powers of ten on the axis; what lies beyond is drawn at its edge


def norms_of(nonlinearity: str, scale: float, options: argparse.Namespace) -> list[float]:
    """Return the norms 0, 1, ..., `steps` steps back."""
    rng = np.random.default_rng(options.seed)
    cell, H = RNN(nonlinearity), options.hidden
    p = cell.parameters(1, H, rng)
    matrix = np.eye(H) if options.identity else np.linalg.qr(rng.normal(size=(H, H)))[0]
    p["weight_hh"] = scale * matrix
    return gradient_norms(cell, p, 0.1 * rng.normal(size=(1, options.steps, 1)))


def table(results: dict[tuple[str, float], list[float]], steps: int) -> str:
    """Return the norms at a few steps as text."""
    shown = sorted({0, 1, steps // 4, steps // 2, steps})
    lines = [f"{'steps back':18}" + "".join(f"{k:10}" for k in shown)]
    for (nonlinearity, scale), norms in results.items():
        lines.append(f"{f'{nonlinearity}, W times {scale:g}':18}" + "".join(f"{norms[k]:10.1e}" for k in shown))
    return "\n".join(lines)


def figure(results: dict[tuple[str, float], list[float]], steps: int) -> str:
    """Return the curves as SVG: solid lines for tanh, dashed ones for ReLU."""

    def across(k: int) -> float:
        return LEFT + WIDTH * k / steps

    def up(norm: float) -> float:
        power = min(max(math.log10(norm), LOWEST), HIGHEST) if norm > 0 else LOWEST
        return TOP + HEIGHT * (HIGHEST - power) / (HIGHEST - LOWEST)

    out = [f'<text x="{LEFT}" y="28" font-size="16" font-weight="bold">Norm of the gradient, steps back in time</text>']
    for power in range(LOWEST, HIGHEST + 1, 2):
        y = up(10.0**power)
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">1e{power}</text>')
    for k in range(0, steps + 1, max(steps // 4, 1)):
        out.append(f'<text x="{across(k):.1f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{k}</text>')
    for n, ((nonlinearity, scale), norms) in enumerate(results.items()):
        style = f'stroke="{COLORS[scale]}" fill="none" stroke-width="2"' + (
            ' stroke-dasharray="6 4"' if nonlinearity == "relu" else ""
        )
        points = " ".join(f"{across(k):.1f},{up(norm):.1f}" for k, norm in enumerate(norms))
        out.append(f'<polyline points="{points}" {style}/>')
        x, y = LEFT + 190 * (n % 3), 44 + 16 * (n // 3)
        out.append(f'<line x1="{x}" x2="{x + 30}" y1="{y}" y2="{y}" {style}/>')
        out.append(f'<text x="{x + 38}" y="{y + 4}">{nonlinearity}, W times {scale:g}</text>')
    size = f'width="{LEFT + WIDTH + 30}" height="{TOP + HEIGHT + 40}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Helvetica, Arial, sans-serif" font-size="12">\n'
        '<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(out) + "\n</svg>\n"
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the parsed arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20, help="Number of time steps (default %(default)s).")
    parser.add_argument("--hidden", type=int, default=64, help="Number of units (default %(default)s).")
    parser.add_argument("--identity", action="store_true", help="Scale the identity instead of a rotation.")
    parser.add_argument("--seed", type=int, default=0, help="Random seed (default %(default)s).")
    parser.add_argument("--out", type=Path, default=Path("gradient_norms.svg"), metavar="FILE", help="The figure.")
    options = parser.parse_args(arguments)
    for name, lowest in (("steps", 1), ("hidden", 1), ("seed", 0)):
        if getattr(options, name) < lowest:
            parser.exit(2, f"{parser.prog}: --{name} is {getattr(options, name)}; expected {lowest} or more\n")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Print the table and write the figure."""
    options = parse(arguments)
    results = {(name, scale): norms_of(name, scale, options) for name in ("tanh", "relu") for scale in SCALES}
    print(table(results, options.steps))
    try:
        options.out.write_text(figure(results, options.steps), encoding="utf-8")
    except OSError as error:
        print(f"{options.out} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    print(f"figure: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
