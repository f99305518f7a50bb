"""`record`: states and gates equal those of a plain loop, for every cell, with lengths, in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inspection_helpers import EVERY_CELL, OPTIONS, drawn, made

from recurra import inspection, nn
from recurra.errors import CallError

LENGTHS = [6, 2, 0, 1]
EXACT = 64 * np.finfo(np.float64).eps


def by_hand(layer: nn.Recurrent, k: int, reverse: bool, x: Any, length: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """States and gates of one direction of layer k for one sequence x (length, I), step by step with the cell itself."""
    cell, end = layer.cells[k], f"_l{k}{'_reverse' if reverse else ''}"
    names = list(cell.parameters(x.shape[-1], layer.hidden_size, True))
    params = {name: getattr(layer, name + end).detach() for name in names}
    first = layer.initial_state(1)
    state = cell.state_type(*(first[f"{component}{end}"].detach() for component in cell.states))
    states: dict[str, Any] = {name: [None] * length for name in cell.states}
    gates: dict[str, Any] = {name: [None] * length for name in cell.gates}
    for t in reversed(range(length)) if reverse else range(length):
        projected = cell.project(x[t : t + 1], params)
        for name, gate in cell.gates_of(projected, state, params).items():
            gates[name][t] = gate[0]
        new = cell.step(projected, state, params)
        q = layer.options.zoneout
        state = cell.state_type(*(q * old + (1 - q) * one for old, one in zip(state, new, strict=True)))
        for name, part in zip(cell.states, state, strict=True):
            states[name][t] = part[0]
    return states, gates


@pytest.mark.parametrize("options", [*OPTIONS.values(), {}], ids=[*OPTIONS, "plain"])
@pytest.mark.parametrize("cell", EVERY_CELL, ids=str)
def test_equals_a_plain_loop_with_lengths_and_both_directions(cell: Any, options: Any) -> None:
    if options.get("num_layers") == 2:
        pytest.skip("one layer by hand; the layers above are compared with the output below")
    layer = made(cell, bidirectional=True, **options)
    x = drawn(4, 6, 3)
    x[1, 2:] = torch.nan
    found = inspection.record(layer, x, LENGTHS)
    for reverse, name in ((False, "l0.forward"), (True, "l0.reverse")):
        for b, length in enumerate(LENGTHS):
            for kept, expected in zip(
                (found.states, found.gates), by_hand(layer, 0, reverse, x[b], length), strict=True
            ):
                for part, values in expected.items():
                    array = kept[f"{name}.{part}"][b]
                    assert np.all(array[length:] == 0)
                    if length:
                        assert np.abs(array[:length] - torch.stack(values).numpy()).max() < EXACT, (name, part)


@pytest.mark.parametrize("cell", EVERY_CELL, ids=str)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
def test_the_last_layer_gives_the_output_and_the_final_state(cell: Any, options: Any) -> None:
    layer = made(cell, bidirectional=True, **options).eval()
    x = drawn(4, 6, 3)
    found, (y, final) = inspection.record(layer, x, LENGTHS), layer(x, lengths=LENGTHS)
    last, h = f"l{layer.num_layers - 1}", layer.cell.states[0]
    both = np.concatenate([found.states[f"{last}.{way}.{h}"] for way in ("forward", "reverse")], -1)
    assert np.abs(both - y.detach().numpy()).max() < EXACT
    for name in layer.cell.states:
        forward, reverse = (final[f"{name}_{last}{end}"].detach().numpy() for end in ("", "_reverse"))
        for b, length in enumerate(LENGTHS):
            if length:
                assert np.abs(found.states[f"{last}.forward.{name}"][b, length - 1] - forward[b]).max() < EXACT
                assert np.abs(found.states[f"{last}.reverse.{name}"][b, 0] - reverse[b]).max() < EXACT


@pytest.mark.parametrize("backend", ["auto", "reference", "torch"])
def test_backends_agree(backend: str) -> None:
    torch.manual_seed(0)
    layer = nn.Recurrent("gru", 3, 5, num_layers=2, dtype=torch.float64, backend=backend)
    x = drawn(2, 9, 3)
    found = inspection.record(layer, x, [9, 4])
    layer.backend = "reference"
    for name, array in inspection.record(layer, x, [9, 4]).gates.items():
        assert np.abs(found.gates[name] - array).max() < EXACT


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_layers_of_torch_and_their_layouts(kind: str, batch_first: bool) -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"batch_first": batch_first, "bidirectional": True, "dtype": torch.float64}
    options |= {"proj_size": 2} if kind == "LSTM" else {}
    layer = getattr(torch.nn, kind)(3, 5, 2, **options)
    x = drawn(4, 6, 3) if batch_first else drawn(6, 4, 3)
    y = layer(x)[0].detach().numpy()
    found = inspection.record(layer, x)
    both = np.concatenate([found.states[f"l1.{way}.h"] for way in ("forward", "reverse")], -1)
    assert np.abs(both - (y if batch_first else y.swapaxes(0, 1))).max() < EXACT
    assert layer.training


def test_evaluation_mode_and_training_flags() -> None:
    layer = nn.Recurrent("lstm", 3, 4, num_layers=2, dropout=0.5, recurrent_dropout=0.5)
    x = torch.randn(2, 5, 3)
    one, other = inspection.record(layer, x), inspection.record(layer, x)
    assert all(np.array_equal(one.states[name], other.states[name]) for name in one.states)
    assert layer.training


def test_save_and_figures(tmp_path: Path) -> None:
    found = inspection.record(made("lstm"), drawn(2, 4, 3), [4, 2])
    path = found.save(tmp_path / "states")
    with np.load(path, allow_pickle=False) as saved:
        assert np.array_equal(saved["states.l0.forward.c"], found.states["l0.forward.c"])
        assert saved["lengths"].tolist() == [4, 2]
    assert path.name == "states.npz"
    assert "<svg" in found._repr_html_()
    try:
        import matplotlib  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        with pytest.raises(CallError, match="pip install matplotlib"):
            found.plot()
    else:
        assert found.plot().axes


@pytest.mark.parametrize(
    ("model", "data", "lengths", "message"),
    [
        (torch.nn.Linear(3, 4), torch.zeros(1, 2, 3), None, "model is a torch.nn.modules.linear.Linear; expected"),
        (torch.nn.Sequential(torch.nn.GRU(3, 4)), torch.zeros(1, 2, 3), None, "pass its layer 0"),
        (nn.Recurrent("gru", 3, 4), torch.zeros(1, 2, 5), None, "expected (B, T, I) with I = 3"),
        (nn.Recurrent("gru", 3, 4), torch.zeros(1, 2, 3), [3], "lengths"),
    ],
)
def test_errors(model: Any, data: Any, lengths: Any, message: str) -> None:
    with pytest.raises(CallError) as raised:
        inspection.record(model, data, lengths)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
