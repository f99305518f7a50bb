"""The network of caption: an encoder of images or features, and a decoder with attention to the encoded vectors."""

from __future__ import annotations

from ...cells import Cell
from ...data.words.vocabulary import Vocabulary
from ...errors import SettingError
from ...models.decoder import Decoder
from ...models.encoder import TokenEmbedding
from ...models.seq2seq import SequenceToSequence
from ...nn.attention import attention
from .inputs import CaptionInput
from .settings import CaptionModel


def caption_network(input: CaptionInput, model: CaptionModel, cell: Cell, vocabulary: Vocabulary) -> SequenceToSequence:
    """Return a new network. With `context_at=initial_state` the decoder reads the image in its initial state only."""
    if model.context_at == "initial_state" and model.attention != "none":
        raise SettingError("context_at = initial_state excludes attention; set attention=none or context_at=every_step")
    encoder, size = input.encoder(model), model.embedding_size
    tokens = TokenEmbedding(len(vocabulary), size, 0.0, pad=Vocabulary.pad, unknown=Vocabulary.unknown)
    attends = model.attention != "none"
    decoder = Decoder(
        tokens,
        size,
        cell,
        memory_size=encoder.output_size,
        hidden_size=model.hidden_size,
        output_size=size if model.tie_weights else model.hidden_size,
        num_layers=model.num_layers,
        attend=attention(model.attention, model.hidden_size, encoder.output_size) if attends else None,
        summary_at_steps=model.context_at == "every_step",
        context_injection=model.context_injection,
        dropout=model.dropout,
        backend=model.backend,
    )
    return SequenceToSequence(encoder, decoder, len(vocabulary), tokens.embedding if model.tie_weights else None)
