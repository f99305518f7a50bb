"""`attention`: which tokens of the source each token of an answer attends to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..errors import CallError
from ..run import Run
from .charts import Chart, HeatMap
from .examples import examples_of
from .results import Array, Result

SETTING = "model.return_attention"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Alignment(Result):
    """The result of `attention`, by the number of the example.

    Attributes:
        weights: (S, N), the weight of each token of the source (columns) for each token of the answer (rows).
        source: (N,), the tokens of the source.
        target: (S,), the tokens of the answer, with the end token.
    """

    weights: dict[str, Array]
    source: dict[str, Array]
    target: dict[str, Array]

    def charts(self) -> list[Chart]:
        """The weights of each example, with the tokens on both axes."""
        return [
            HeatMap(
                f"attention, example {n}", "source", "answer", weights, tuple(self.target[n]), tuple(self.source[n])
            )
            for n, weights in self.weights.items()
        ]


def attention(run: Any, data: Any) -> Alignment:
    """Compute the attention weights of the answers of a run, in evaluation mode.

    Args:
        run: a Run of a task with the setting `return_attention`, such as translate or caption.
        data: a list of examples, or a file.

    Raises:
        CallError: the run has no attention.
    """
    if not isinstance(run, Run) or SETTING not in run.task.inference_settings:
        what = f"a run of {run.task.name}" if isinstance(run, Run) else f"a {type(run).__name__}"
        raise CallError(f"attention got {what}; expected a run with attention to its source, such as translate")
    changed = Run(run.path, run.task, run.network, run.config)
    changed.change(return_attention=True)
    examples, _ = examples_of(run, data)
    found = [one["attention"] for one in changed.predict(examples)]
    weights = {str(n): np.asarray(one["weights"], np.float64) for n, one in enumerate(found)}
    sources = {
        str(n): np.array(one.get("source") or [str(k) for k in range(weights[str(n)].shape[-1])])
        for n, one in enumerate(found)
    }
    return Alignment(weights, sources, {str(n): np.array(one["target"]) for n, one in enumerate(found)})
