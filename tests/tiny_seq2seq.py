"""A sequence-to-sequence network of a few weights in float64, and a batch for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recurra import cells
from recurra.models.decoder import Decoder
from recurra.models.seq2seq import Seq2SeqEncoder, SequenceToSequence
from recurra.nn.attention import attention

B, T, S, E, H, V = 4, 6, 5, 7, 6, 11
LENGTHS, STEPS = torch.tensor([6, 1, 4, 3]), torch.tensor([2, 5, 1, 4])
# float64, some hundred sums and products of numbers near 1 in another order
EXACT = {"rtol": 1e-10, "atol": 1e-12}


def network(
    context_injection: str = "between", rule: str | None = "additive", cell: str = "lstm", **options: Any
) -> SequenceToSequence:
    torch.manual_seed(0)
    source, target = nn.Embedding(V, E), nn.Embedding(V, E)
    encoder = Seq2SeqEncoder(source, E, cells.get(cell), hidden_size=H // 2, **options)
    attend = None if rule is None else attention(rule, H, encoder.output_size, T)
    decoder = Decoder(
        target,
        E,
        cells.get(cell),
        memory_size=encoder.output_size,
        hidden_size=H,
        output_size=E,
        attend=attend,
        context_injection=context_injection,
    )
    return SequenceToSequence(encoder, decoder, V, target).double().eval()


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randint(3, V, (B, T)), torch.randint(3, V, (B, S))
