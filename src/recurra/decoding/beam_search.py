"""Looking for the likeliest answer: beam search with length normalisation, greedy with a beam of 1.

    score = log p(tokens) / length ** alpha              length counts the end mark

Every row goes by itself: it has its own limit, its own finished answers, and leaves the batch when it has `beam` of them and
none that goes on stands better than the best of these: early ends that are most unlikely must not close a search. So an
answer does not hang on what else is in the batch; the sums behind it are those of a matrix product, whose last bit may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor


class Rows(Protocol):
    """A state of R rows of which some can be taken."""

    def rows(self: S, index: Tensor, /) -> S: ...


S = TypeVar("S", bound=Rows)
Step = Callable[[Tensor, S], tuple[Tensor, S, Tensor | None]]


@dataclass(frozen=True)
class Hypothesis:
    """An answer without its end mark. `weights` (length, N): where attention looked at each step, if that was asked for."""

    tokens: list[int]
    score: float
    log_probability: float
    ended: bool  # false: it was cut at the limit
    weights: Tensor | None = None


def search(
    step: Step[S],
    state: S,
    limits: Sequence[int],
    *,
    start: int,
    end: int,
    beam_size: int = 1,
    alpha: float = 1.0,
    forbidden_tokens: Sequence[int] = (),
    return_attention: bool = False,
) -> list[list[Hypothesis]]:
    """For each row of `state` the answers found, best first, at most `beam`.

    step    tokens (R,) and a state -> log-probabilities (R, V) of the next ones, the state after, weights (R, N) or None
            a step that gives -inf to a token rules it out there; one that does so to `end` makes every answer as long as
            its limit. At least one token is to be left
    limits  of each row, tokens at most, at least 1
    start   the token before the first; `end` the one after the last; `never` those that no answer holds
    """
    found: list[list[Hypothesis]] = [[] for _ in limits]
    if not found:
        return found
    row = torch.arange(len(limits))  # (A,): the rows still searched
    limit = torch.tensor([max(int(most), 1) for most in limits])
    K = beam_size
    state = state.rows(row.repeat_interleave(K))
    tokens = torch.full((len(row) * K,), start)
    total = torch.full((len(row), K), -torch.inf, dtype=torch.float64)  # of the K alive answers of each row
    total[:, 0] = 0.0  # all K are one at first
    past = torch.empty(len(row), K, 0, dtype=torch.long)
    looked: Tensor | None = None  # (A, K, t, N)
    t = 0
    while len(row):
        t += 1
        scores, state, weights = step(tokens.to(_device(state)), state)
        A, V = len(row), scores.shape[1]
        scores = scores.cpu().double()
        scores[:, list(never)] = -torch.inf
        best = (total[:, :, None] + scores.view(A, K, V)).view(A, -1).topk(min(2 * K, K * V), dim=1)
        parent, token = best.indices // V, best.indices % V
        ends = token == end
        if return_attention and weights is not None:
            now = weights.float().cpu().view(A, K, 1, -1)
            looked = now if looked is None else torch.cat([looked, now], dim=2)
        # those among the K best that end here
        for a, k in torch.nonzero(ends[:, :K] & best.values[:, :K].isfinite()).tolist():
            of, p = int(parent[a, k]), float(best.values[a, k])
            kept = None if looked is None else looked[a, of]
            found[int(row[a])].append(Hypothesis(past[a, of].tolist(), p / t**alpha, p, True, kept))
        # the K best that go on
        order = ends.to(torch.int8).argsort(dim=1, stable=True)[:, :K]
        total, parent, token = best.values.gather(1, order), parent.gather(1, order), token.gather(1, order)
        past = torch.cat([past.gather(1, parent[..., None].expand(-1, -1, past.shape[2])), token[..., None]], dim=2)
        if looked is not None:
            looked = looked.gather(1, parent[..., None, None].expand(-1, -1, *looked.shape[2:]))
        over = limit[row] <= t
        for a in torch.nonzero(over).flatten().tolist():
            for k in range(K):
                if len(found[int(row[a])]) < K and total[a, k].isfinite():
                    p = float(total[a, k])
                    kept = None if looked is None else looked[a, k]
                    found[int(row[a])].append(Hypothesis(past[a, k].tolist(), p / t**alpha, p, False, kept))
        hope = (total.max(1).values / t**alpha).tolist()  # of the best that goes on, as it stands
        full = torch.tensor(
            [
                len(answers := found[int(r)]) >= K and best <= max(answer.score for answer in answers)
                for r, best in zip(row, hope, strict=True)
            ],
            dtype=torch.bool,
        )
        stay = torch.nonzero(~(over | full)).flatten()
        index = (stay[:, None] * K + parent[stay]).flatten()
        state = state.rows(index.to(_device(state)))
        row, total, past, tokens = row[stay], total[stay], past[stay], token[stay].flatten()
        looked = None if looked is None else looked[stay]
    return [sorted(answers, key=lambda answer: -answer.score)[:K] for answers in found]


def _device(state: object) -> torch.device:
    """Where the tensors of a state are."""
    from torch.utils import _pytree

    leaves, _ = _pytree.tree_flatten(state)
    return next((leaf.device for leaf in leaves if isinstance(leaf, Tensor)), torch.device("cpu"))
