"""Beam search with length normalization. A beam of size 1 is greedy search.

    score = log p(tokens) / length ** length_penalty        the length includes the end token

The batch elements are searched independently. Each has its own maximum length and its own finished hypotheses. It leaves the
batch when it has `beam_size` finished hypotheses and no unfinished one scores higher than the best of them, so that improbable
hypotheses that end early do not stop the search. An answer therefore does not depend on the rest of the batch, except for the
last bit of the matrix products that compute its scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor


class SearchState(Protocol):
    """The state of a decoder for R hypotheses."""

    def select(self: S, index: Tensor, /) -> S:
        """The state of the hypotheses at `index`, integers (R,). A hypothesis may occur more than once."""


S = TypeVar("S", bound=SearchState)
Step = Callable[[Tensor, S], tuple[Tensor, S, Tensor | None]]


@dataclass(frozen=True)
class Hypothesis:
    """A sequence of tokens that the search found.

    tokens           the tokens, without the end token
    score            the log-probability, normalized by the length
    log_probability  the sum of the log-probabilities of the tokens, in nats
    ended            whether the end token was reached; False where the maximum length was
    weights          the attention weights of each step, (length, N), if they were requested
    """

    tokens: list[int]
    score: float
    log_probability: float
    ended: bool
    weights: Tensor | None = None


def beam_search(
    step: Step[S],
    state: S,
    max_lengths: Sequence[int],
    *,
    start: int,
    end: int,
    beam_size: int = 1,
    length_penalty: float = 1.0,
    forbidden_tokens: Sequence[int] = (),
    return_attention: bool = False,
) -> list[list[Hypothesis]]:
    """The best hypotheses for each batch element of `state`, best first, at most `beam_size`.

    step              takes tokens (R,) and a state, and returns log-probabilities (R, V) of the next token, the new state, and
                      attention weights (R, N) or None. A log-probability of -inf excludes a token; at least one must remain.
                      If the end token is always excluded, each answer has its maximum length
    max_lengths       the largest number of tokens for each batch element, at least 1
    start, end        the token before the first one, and the token after the last one
    length_penalty    exponent of the length in the score; 0 for no normalization
    forbidden_tokens  tokens that no hypothesis contains
    return_attention  whether hypotheses have attention weights
    """
    found: list[list[Hypothesis]] = [[] for _ in max_lengths]
    if not found:
        return found
    element = torch.arange(len(max_lengths))  # (A,): the batch elements that are still searched
    max_length = torch.tensor([max(int(length), 1) for length in max_lengths])
    K = beam_size
    state = state.select(element.repeat_interleave(K))
    tokens = torch.full((len(element) * K,), start)
    total = torch.full(
        (len(element), K), -torch.inf, dtype=torch.float64
    )  # of the K unfinished hypotheses of each element
    total[:, 0] = 0.0  # at first all K are the same
    past = torch.empty(len(element), K, 0, dtype=torch.long)
    attention: Tensor | None = None  # (A, K, t, N)
    t = 0
    while len(element):
        t += 1
        scores, state, weights = step(tokens.to(_device(state)), state)
        A, V = len(element), scores.shape[1]
        scores = scores.cpu().double()
        scores[:, list(forbidden_tokens)] = -torch.inf
        best = (total[:, :, None] + scores.view(A, K, V)).view(A, -1).topk(min(2 * K, K * V), dim=1)
        parent, token = best.indices // V, best.indices % V
        ends = token == end
        if return_attention and weights is not None:
            current = weights.float().cpu().view(A, K, 1, -1)
            attention = current if attention is None else torch.cat([attention, current], dim=2)
        # hypotheses among the K best that end here
        for a, k in torch.nonzero(ends[:, :K] & best.values[:, :K].isfinite()).tolist():
            of, p = int(parent[a, k]), float(best.values[a, k])
            answer_attention = None if attention is None else attention[a, of]
            found[int(element[a])].append(
                Hypothesis(past[a, of].tolist(), p / t**length_penalty, p, True, answer_attention)
            )
        # the K best that continue
        order = ends.to(torch.int8).argsort(dim=1, stable=True)[:, :K]
        total, parent, token = best.values.gather(1, order), parent.gather(1, order), token.gather(1, order)
        past = torch.cat([past.gather(1, parent[..., None].expand(-1, -1, past.shape[2])), token[..., None]], dim=2)
        if attention is not None:
            attention = attention.gather(1, parent[..., None, None].expand(-1, -1, *attention.shape[2:]))
        at_limit = max_length[element] <= t
        for a in torch.nonzero(at_limit).flatten().tolist():
            for k in range(K):
                if len(found[int(element[a])]) < K and total[a, k].isfinite():
                    p = float(total[a, k])
                    answer_attention = None if attention is None else attention[a, k]
                    found[int(element[a])].append(
                        Hypothesis(past[a, k].tolist(), p / t**length_penalty, p, False, answer_attention)
                    )
        best_unfinished = (total.max(1).values / t**length_penalty).tolist()
        complete = torch.tensor(
            [
                len(finished := found[int(e)]) >= K and unfinished <= max(hypothesis.score for hypothesis in finished)
                for e, unfinished in zip(element, best_unfinished, strict=True)
            ],
            dtype=torch.bool,
        )
        remaining = torch.nonzero(~(at_limit | complete)).flatten()
        index = (remaining[:, None] * K + parent[remaining]).flatten()
        state = state.select(index.to(_device(state)))
        element, total, past, tokens = element[remaining], total[remaining], past[remaining], token[remaining].flatten()
        attention = None if attention is None else attention[remaining]
    return [sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)[:K] for hypotheses in found]


def _device(state: object) -> torch.device:
    """The device of the tensors of a state."""
    from torch.utils import _pytree

    leaves, _ = _pytree.tree_flatten(state)
    return next((leaf.device for leaf in leaves if isinstance(leaf, Tensor)), torch.device("cpu"))
