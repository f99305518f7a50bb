"""`run.patch`, `unit_features`, `attribution`, `attention` and `similarity`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inspection_helpers import EVERY_CELL, drawn, made
from tiny_runs import TINY, reviews

from recurra import cells, inspection, nn
from recurra.errors import CallError
from recurra.nn.patch import patched
from recurra.run import Run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A function that trains the run of `TINY` for a task, each once."""
    runs: dict[str, Run] = {}

    def train(task: str) -> Run:
        if task not in runs:
            runs[task] = TINY[task](tmp_path_factory.mktemp(task))
        return runs[task]

    return train


# patch ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cell", EVERY_CELL, ids=str)
def test_a_clamped_unit_has_the_value_and_acts_on_what_follows(cell: Any) -> None:
    layer, x, h = made(cell, num_layers=2).eval(), drawn(2, 6, 3), cell.states[0]
    free = layer(x)[0]
    with patched(layer, 1, 2, 0.25):
        y, state = layer(x, lengths=[6, 3])
    assert bool((y[0, :, 2] == 0.25).all()) and bool((y[1, :3, 2] == 0.25).all()) and bool((y[1, 3:] == 0).all())
    assert state[f"{h}_l1"][:, 2].tolist() == [0.25, 0.25]
    assert torch.equal(layer(x)[0], free)
    with patched(layer, 0, 2, shift=0.0):  # a change of nothing
        assert (layer(x)[0] - free).abs().max() < 1e-12


def test_transplanting_a_state_gives_the_future_of_the_other_sequence() -> None:
    layer, x = made("gru").eval(), drawn(2, 6, 3)
    x[1, 3:] = x[0, 3:]
    states = inspection.record(layer, x).states["l0.forward.h"]
    with patched(layer, 0, None, states[0, 2], steps=2):
        y = layer(x[1:])[0].detach().numpy()
    assert np.abs(y[0, 2:] - states[0, 2:]).max() < 1e-12
    assert np.abs(y[0, :2] - states[1, :2]).max() < 1e-12


def test_a_patched_run_predicts_something_else(tiny: Callable[[str], Run]) -> None:
    run = tiny("classify")
    before = run.predict(["a fine film"])
    with run.patch(layer=0, unit=[0, 1, 2], value=3.0, direction="reverse"):
        assert run.predict(["a fine film"]) != before
    assert run.predict(["a fine film"]) == before
    with pytest.raises(ZeroDivisionError), run.patch(layer=0, unit=0, value=1.0):
        raise ZeroDivisionError
    assert run.predict(["a fine film"]) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 1, "unit": 0, "value": 0.0}, "unknown layer 1; expected an integer from 0 to 0"),
        ({"unit": 8, "value": 0.0}, "unknown unit 8; expected an integer from 0 to 7"),
        ({"unit": 0}, "expected one of value, which replaces the state, and shift"),
        ({"unit": 0, "value": 0.0, "component": "c"}, "unknown component 'c'"),
        ({"unit": 0, "value": 0.0, "direction": "back"}, "unknown direction 'back'"),
        ({"unit": [0, 1], "value": [1.0, 2.0, 3.0]}, "one for each of the 2 units"),
        ({"unit": 0, "value": 0.0, "module": "encoder"}, "unknown module 'encoder'"),
    ],
)
def test_errors_of_patch(tiny: Callable[[str], Run], options: Any, message: str) -> None:
    with pytest.raises(CallError) as raised, tiny("classify").patch(**options):
        pass
    assert message in str(raised.value)


# unit_features --------------------------------------------------------------------------------------------------------
def test_a_unit_that_is_used_and_one_that_is_not() -> None:
    torch.manual_seed(0)
    layer = nn.Recurrent("rnn", 1, 3, bias=False)
    with torch.no_grad():  # units 0 and 1 both follow the input; the output reads unit 0 alone
        layer.weight_hh_l0.zero_()
        layer.weight_ih_l0.copy_(torch.tensor([[0.5], [-0.5], [0.0]]))
    x = torch.randn(4, 20, 1)

    def loss() -> float:
        with torch.no_grad():
            return float((layer(x)[0][:, :, 0] - torch.tanh(x[:, :, 0] / 2)).square().mean())

    found = inspection.unit_features(layer, x, {"input": x[:, :, 0]}, [20, 20, 20, 20], loss=loss, top=2)
    assert sorted(found.best[0].tolist()) == [0, 1]
    assert np.abs(found.correlation[0, :2]).min() > 0.9
    assert found.correlation[0, 2] == 0
    increase = dict(zip(found.best[0].tolist(), found.loss_increase[0].tolist(), strict=True))
    assert increase[0] > 0.05
    assert increase[1] == pytest.approx(0, abs=1e-12)
    assert found.units[1] == "l0.forward.h.1"


def test_features_of_text_in_a_run(tiny: Callable[[str], Run]) -> None:
    run = tiny("language")
    text = 'the "sea" the sky'
    steps = int(inspection.record(run, [text]).lengths[0])
    values = np.concatenate([np.zeros(steps - len(text)), inspection.position_in_line(text)])
    found = inspection.unit_features(run, [text], {"position": [values]}, loss=run.config["source"]["data"])
    assert np.isfinite(found.loss_increase).all()
    assert found.loss == pytest.approx(run.evaluate(run.config["source"]["data"])["loss"], rel=1e-5)
    with pytest.raises(CallError, match=r"feature 'position' has shape \(3,\) for sequence 0; expected"):
        inspection.unit_features(run, [text], {"position": [[1, 2, 3]]})


# attribution ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cell", EVERY_CELL, ids=str)
def test_integrated_gradients_are_complete(cell: Any) -> None:
    layer, x = made(cell, num_layers=2), drawn(3, 5, 3)
    if isinstance(cell, cells.LayerNormLSTM | cells.LayerNormGRU):  # they jump at an input of zeros
        with pytest.raises(CallError, match="the sum of the integrated gradients differs"):
            inspection.attribution(layer, x, output=1)
        return
    found = inspection.attribution(layer, x, [5, 2, 3], output=1)
    assert np.abs(found.completeness).max() <= 0.01 * np.abs(found.outputs - found.baselines).max() + 1e-6
    assert np.all(found.values[1, 2:] == 0)
    y = layer.eval()(x, lengths=[5, 2, 3])[0].detach().numpy()
    assert found.outputs == pytest.approx([y[0, 4, 1], y[1, 1, 1], y[2, 2, 1]])
    assert not layer.training


def test_a_linear_layer_is_explained_alike_by_all_methods() -> None:
    layer = nn.Recurrent("rnn", 2, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_hh_l0.fill_(0.5)
        layer.weight_ih_l0.copy_(torch.tensor([[1e-4, 2e-4]]))  # tanh is linear
    x = drawn(1, 3, 2)
    expected = 0.5 ** np.array([2, 1, 0])[:, None] * x[0].numpy() * [1e-4, 2e-4]
    for method in ("integrated_gradients", "gradient_x_input"):
        assert np.abs(inspection.attribution(layer, x, method=method).values[0] - expected).max() < 1e-10
    occluded = inspection.attribution(layer, x, method="occlusion")
    assert np.abs(occluded.by_step[0] - expected.sum(1)).max() < 1e-10


@pytest.mark.parametrize("task", TINY)
def test_attribution_of_runs(tiny: Callable[[str], Run], task: str) -> None:
    run = tiny(task)
    example = {"classify": "a fine film", "regress": "a fine film", "tag": {"tokens": ["Ada", "saw", "Paris"]}}.get(
        task
    )
    if example is None:
        example = inspection.examples.examples_of(run, run.config["source"]["data"])[0][0]
    if task in ("classify", "regress", "tag", "forecast", "transcribe"):
        found = inspection.attribution(run, [example])
        assert abs(found.completeness[0]) <= 0.01 * abs(found.outputs[0] - found.baselines[0]) + 1e-4
    else:
        with pytest.raises(CallError, match="does not compute its output for an example in one call"):
            inspection.attribution(run, [example])
    assert not run.network.training and not run.network._forward_hooks


def test_the_output_of_a_run_is_the_score_of_a_class(tmp_path: Path) -> None:
    run = reviews(tmp_path)
    texts = ["a fine film", "a dull long film"]
    both = [inspection.attribution(run, texts, output=n).outputs for n in range(2)]
    probabilities = np.exp(both) / np.exp(both).sum(0)
    for n, one in enumerate(run.predict(texts)):
        assert probabilities[:, n].max() == pytest.approx(one["probability"], abs=1e-4)


# attention and similarity ---------------------------------------------------------------------------------------------
def test_attention_has_tokens_on_both_axes(tiny: Callable[[str], Run]) -> None:
    run = tiny("translate")
    found = inspection.attention(run, ["abc", "de"])
    assert found.source["0"].tolist() == ["a", "b", "c"]
    assert found.weights["0"].shape == (len(found.target["0"]), 3)
    assert found.weights["0"].sum(1) == pytest.approx(1, abs=1e-3)
    assert "attention" not in run.predict(["abc"])[0]
    assert "answer" in found._repr_html_()
    with pytest.raises(CallError, match="got a run of classify; expected a run with attention"):
        inspection.attention(tiny("classify"), ["a"])


def test_similarity_of_representations() -> None:
    a = drawn(200, 5).numpy()
    rotation = np.linalg.qr(drawn(5, 5, seed=2).numpy())[0]
    same, other = inspection.similarity(a, 3 * a @ rotation), inspection.similarity(a, drawn(200, 4, seed=3).numpy())
    assert [same.cka[0, 0], same.procrustes[0, 0]] == pytest.approx([1, 1])
    assert other.cka[0, 0] < 0.2
    one, two = (
        inspection.record(made("lstm", num_layers=2, bidirectional=True), drawn(3, 9, 3), [9, 4, 2]) for _ in "ab"
    )
    found = inspection.similarity(one, two)
    assert found.cka.shape == (8, 8)
    assert np.diag(found.cka) == pytest.approx(np.ones(8))
    for b, message in (
        (drawn(10, 5).numpy(), "200 time steps"),
        (np.ones((200, 2)), "is constant"),
        (np.ones(3), "shape"),
    ):
        with pytest.raises(CallError, match=message):
            inspection.similarity(a, b)


def test_everything_can_be_saved_and_shown(tmp_path: Path) -> None:
    layer, x = made("gru"), drawn(2, 6, 3)
    results = [
        inspection.record(layer, x), inspection.memory(layer, x), inspection.gates(layer, x), inspection.jacobian(layer),
        inspection.spectra(layer), inspection.lyapunov(layer, k=2, steps=10), inspection.fixed_points(layer, starts=8),
        inspection.attribution(layer, x), inspection.similarity(x.numpy(), x.numpy()),
        inspection.unit_features(layer, x, {"a": x[:, :, 0]}),
    ]  # fmt: skip
    for n, result in enumerate(results):
        with np.load(result.save(tmp_path / str(n)), allow_pickle=False) as saved:
            assert set(saved.files) == set(result.arrays())
        assert "<svg" in result._repr_html_() and type(result).__name__ in repr(result)
        json.dumps(result._repr_html_())
