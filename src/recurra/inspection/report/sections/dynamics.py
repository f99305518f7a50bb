"""Dynamics: the Jacobian of a step at a typical state, and the Lyapunov exponents."""

from __future__ import annotations

import numpy as np

from ...evidence import Evidence, NoEvidenceError
from ...jacobian import jacobian
from ...lyapunov import lyapunov
from ...models import part
from ..blocks import Block, Figure, PageTexts, curves_of, numbers

LARGEST = 1100  # features of a state whose Jacobian is shown
EXPONENTS, STEPS = 12, 150
LOWEST = -20.0  # of an exponent that is shown; a direction that is forgotten at once has -infinity


def dynamics(evidence: Evidence, say: PageTexts) -> list[Block]:
    """Return the figures of eigenvalues and of exponents of the first layer, in the forward direction."""
    layer = part(evidence.layer, 0, "forward")
    recording = evidence.recording
    longest = int(recording.lengths.argmax())
    end = int(recording.lengths[longest])
    parts = {name: recording.states[f"l0.forward.{name}"][longest, end // 2] for name in layer.cells[0].states}
    if sum(map(len, parts.values())) > LARGEST:
        raise NoEvidenceError(say("dynamics.large", count=sum(map(len, parts.values())), most=LARGEST))
    x = recording.inputs[longest, min(end // 2 + 1, end - 1)]
    found = jacobian(layer, np.concatenate(list(parts.values())), x)
    real, imaginary = numbers(found.eigenvalues.real), numbers(found.eigenvalues.imag)
    size = max(1.1, 1.1 * float(np.abs(found.eigenvalues).max()))
    values = {
        "series": [{"label": say("dynamics.eigenvalues"), "x": real, "y": imaginary}],
        "xLabel": say("dynamics.real"),
        "yLabel": say("dynamics.imaginary"),
        "x": [-size, size],
        "y": [-size, size],
        "circle": True,
    }
    radius, norm = f"{found.spectral_radius:.3g}", f"{found.singular_values[0]:.3g}"
    blocks: list[Block] = [Figure("eigenvalues", "points", values, {"radius": radius, "norm": norm})]
    k = min(EXPONENTS, len(real))
    exponents = lyapunov(layer, k, x=recording.inputs[longest, :end].mean(0), steps=STEPS).exponents
    curves = {say("dynamics.exponent"): np.maximum(exponents, LOWEST)}
    labels = say("dynamics.index"), say("dynamics.nats")
    fades = say("dynamics.fades", steps=f"{-1 / exponents[0]:.3g}") if exponents[0] < 0 else say("dynamics.stays")
    facts = {"largest": f"{exponents[0]:.3g}", "fades": fades}
    return [*blocks, curves_of("exponents", range(1, k + 1), curves, labels, zero=True, facts=facts)]
