"""The network of `translate`: encoder, attention and decoder."""

from __future__ import annotations

from ...cells import Cell
from ...data.words.vocabulary import Vocabulary
from ...errors import SettingError
from ...models.decoder import Decoder
from ...models.encoder import TokenEmbedding
from ...models.seq2seq import Seq2SeqEncoder, SequenceToSequence
from ...nn.attention import attention
from .settings import TranslateModel


def build_network(
    model: TranslateModel, cell: Cell, *, source_size: int, target_size: int, shared: bool, positions: int
) -> SequenceToSequence:
    """A new network.

    source_size, target_size  sizes of the vocabularies
    shared                    whether source and target have one vocabulary
    positions                 length of the longest source; it limits the attention "concat"
    """
    if model.replace_unk and model.attention == "none":
        raise SettingError(
            "replace_unk copies the word with the largest attention weight, and attention is none; change one of the two"
        )

    def embedding(vocabulary_size: int) -> TokenEmbedding:
        pad, unknown = Vocabulary.pad, Vocabulary.unknown
        return TokenEmbedding(vocabulary_size, model.embedding_size, model.token_dropout, pad=pad, unknown=unknown)

    target = embedding(target_size)
    source = target if shared and model.tie_weights else embedding(source_size)
    encoder = Seq2SeqEncoder(
        source,
        model.embedding_size,
        cell,
        hidden_size=model.encoder_hidden_size,
        num_layers=model.encoder_layers,
        bidirectional=model.bidirectional,
        self_attention=model.self_attention,
        dropout=model.dropout,
        input_dropout=model.input_dropout,
        backend=model.backend,
    )
    decoder = Decoder(
        target,
        model.embedding_size,
        cell,
        memory_size=encoder.output_size,
        hidden_size=model.hidden_size,
        output_size=model.embedding_size if model.tie_weights else model.hidden_size,
        num_layers=model.num_layers,
        attend=None
        if model.attention == "none"
        else attention(model.attention, model.hidden_size, encoder.output_size, positions),
        context_injection=model.context_injection,
        dropout=model.dropout,
        input_dropout=model.input_dropout,
        backend=model.backend,
    )
    return SequenceToSequence(encoder, decoder, target_size, target.embedding if model.tie_weights else None)


def check_positions(model: TranslateModel, longest: int) -> None:
    """Raise SettingError if `attention_positions` is set without "concat", or is less than `longest`, the longest source."""
    positions = model.attention_positions
    if positions is None:
        return
    if model.attention != "concat":
        raise SettingError(
            f"attention_positions requires attention=concat, and attention is {model.attention}; remove it"
        )
    if positions < longest:
        raise SettingError(
            f"attention_positions is {positions}, and the longest source has {longest} tokens; set {longest} or more"
        )
