"""Tasks whose answers a decoder writes, token after token: taught with the true tokens, asked by beam search.

`batch.inputs` are those of `SequenceToSequence`: x, lengths (left out where every row is whole), tokens, steps.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...data.store.store import Store
from ...data.words.vocabulary import Vocabulary
from ...decoding.beam_search import Found, search
from ...errors import SettingError
from ...models.scheduled_sampling import ForcedTraining, answered, forced_loss
from ...models.token_loss import nats_a_token
from ..base import Batch, device_of
from .generation import Answering, in_batches, silent
from .sequence_task import padded


class Decoding(Answering):
    """See the module's docstring. A subclass has `model.length_penalty`; its settings of training are `ForcedTraining`."""

    @property
    def training(self) -> ForcedTraining:
        assert isinstance(self.settings.training, ForcedTraining)
        return self.settings.training

    @property
    def metric(self) -> str:  # type: ignore[override]
        return self.training.metric or "loss"

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        return self.metric in ("bleu", "chrf", "exact_match")

    # training ------------------------------------------------------------------------------------------------------
    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        return forced_loss(network, batch, self.training, self.progress), None

    # use -----------------------------------------------------------------------------------------------------------
    def _nats(
        self, network: nn.Module, store: Store, parts: Iterable[np.ndarray], tick: Callable[[int], None] = silent
    ) -> float:
        """The loss of these rows, nats a token."""
        return nats_a_token(partial(answered, network), self._told(network, store, parts, tick))

    @property
    def never(self) -> list[int]:
        """Tokens that no answer holds."""
        return [Vocabulary.pad, Vocabulary.unknown]

    @abstractmethod
    def _most(self, length: int) -> int:
        """Tokens that the answer to an example of this length may have."""

    def _live(self, lengths: np.ndarray) -> Tensor | None:
        """What the encoder is told of the lengths (B,) of a batch: nothing where every row is whole."""
        return torch.from_numpy(lengths)

    def _answers(
        self,
        network: nn.Module,
        examples: Sequence[np.ndarray],
        *,
        beam: int,
        tick: Callable[[int], None] = silent,
        keep_weights: bool = False,
    ) -> list[list[Found]]:
        """The answers to each encoded example, best first."""
        device, lengths = device_of(network), np.array([len(example) for example in examples], np.int64)
        alpha: float = self.settings.model.length_penalty  # type: ignore[attr-defined]

        def found(rows: np.ndarray) -> list[list[Found]]:
            live = self._live(lengths[rows])
            x = padded([examples[row] for row in rows]).to(device)
            return search(
                network.step,  # type: ignore[arg-type]
                network.start(x, None if live is None else live.to(device)),  # type: ignore[operator]
                [self._most(int(length)) for length in lengths[rows]],
                start=Vocabulary.end,
                end=Vocabulary.end,
                beam=beam,
                alpha=alpha,
                never=self.never,
                keep_weights=keep_weights,
            )

        return in_batches(lengths, beam, found, tick)


def looked(found: Found, vocabulary: Vocabulary, places: int) -> tuple[list[str], list[list[float]]]:
    """Where attention looked: the tokens of an answer, its end mark too, and of each the weights of so many places."""
    if found.weights is None:
        raise SettingError("weights are asked for, and this run has no attention (attention is none)")
    weights = [[round(weight, 4) for weight in row[:places]] for row in found.weights.tolist()]
    tokens = [vocabulary.decode([token]) for token in found.tokens]
    return [*tokens, "<end>"][: len(weights)], weights
