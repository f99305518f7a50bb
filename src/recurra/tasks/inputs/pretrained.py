"""Initialization with pretrained weights: word embeddings from a file, or a language model trained on unlabeled text.

    --embeddings FILE    initializes the embeddings of the words in the file
    --pretrained RUN     initializes the embedding and the recurrent layers with those of a `language` run, and uses its
                         vocabulary (Dai and Le 2015, arXiv:1511.01432; Howard and Ruder 2018, arXiv:1801.06146)

The weights are loaded once, before training. The run folder contains the trained weights and needs neither the file nor the
other run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, final

import numpy as np
import torch
from torch import nn

from ...data.store.store import Store
from ...data.words.embeddings import EXACT, EmbeddingFile, find_embeddings
from ...data.words.vocabulary import Vocabulary
from ...errors import DataError, SettingError
from ...fields.lexicon import Lexicon
from ...models.encoder import EncoderModel, TokenEmbedding
from ...nn import Recurrent
from ...settings import setting
from ..base import DatasetInfo, OnProgress
from ..language.pretrained_run import LanguageRun

CHUNK = 1 << 20  # tokens counted at once


class PretrainedModel(EncoderModel):
    """Settings of a text encoder that may be initialized with pretrained weights."""

    embeddings: str | None = setting(None, description="File of pretrained word embeddings.")
    freeze_embeddings: bool = setting(
        False, description="Do not train the embeddings loaded from the file.", advanced=True
    )
    pretrained: str | None = setting(None, description="Language run that initializes the weights.")


class WordField(Protocol):
    """A field of words that can use the vocabulary of a language model."""

    name: str

    def use_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Use the vocabulary of a language model."""

    def lexicon(self) -> Lexicon:
        """The words of the embedding table."""


@final
class Pretrained:
    """Initializes networks with word embeddings or with a language model, as the settings request.

    Args:
        model: the settings `embeddings`, `freeze_embeddings` and `pretrained`, and the sizes that must agree with them.
        unidirectional: whether the encoder is unidirectional by default when it is initialized with a language model.

    Raises:
        SettingError: the settings contradict each other or the pretrained weights.
        DataError: the file of embeddings cannot be read.
        RunError: the language run cannot be used.
    """

    def __init__(self, model: PretrainedModel, *, unidirectional: bool) -> None:
        self.model, self.unidirectional = model, unidirectional
        self.file: EmbeddingFile | None = None
        self.run: LanguageRun | None = None
        if model.embeddings and model.pretrained:
            raise SettingError("embeddings and pretrained both initialize the embedding; set only one of them")
        if model.freeze_embeddings and not model.embeddings:
            raise SettingError("freeze_embeddings requires --embeddings FILE")
        if model.embeddings:
            self.file = EmbeddingFile(model.embeddings)
            self._check_agreement("embedding_size", self.file.size, f"the embeddings in {self.file.path}")
        elif model.pretrained:
            self.run = LanguageRun(model.pretrained)

    # before the rows are read --------------------------------------------------------------------------------------
    def configure(self, field: WordField, vocabulary_size: int | None, info: DatasetInfo) -> None:
        """Set the vocabulary of `field` to that of the language model, and add the resolved settings and a message to `info`.

        Args:
            field: the field of the text.
            vocabulary_size: the size that the user requested; None where there is none, or where the field has more words
                than the language model.
            info: receives the settings and the message.
        """
        if self.file is not None:
            info.settings["model"] = {"embedding_size": self.file.size}
        elif self.run is not None:
            self._configure_run(self.run, field, vocabulary_size, info)

    def _check_agreement(self, name: str, theirs: Any, whose: str) -> None:
        value = getattr(self.model, name)
        if value not in (None, theirs):
            raise SettingError(f"{name} = {value}, but {whose} have {theirs}; remove {name}")

    def _configure_run(
        self, run: LanguageRun, field: WordField, vocabulary_size: int | None, info: DatasetInfo
    ) -> None:
        """Use the vocabulary and the sizes of the language model."""
        whose = f"the weights of {run.path}"
        for name, value in run.sizes.items():
            self._check_agreement(name, value, whose)
        if self.model.cell_options and self.model.cell_options != run.cell_options:
            raise SettingError(
                f"cell_options = {self.model.cell_options}, but {whose} have {run.cell_options}; remove it"
            )
        if vocabulary_size is not None and vocabulary_size < len(run.vocabulary):
            raise SettingError(
                f"vocabulary_size = {vocabulary_size}, but --pretrained uses the vocabulary of {run.path}, "
                f"{len(run.vocabulary):,} {run.vocabulary.tokenization}; remove it"
            )
        resolved: dict[str, Any] = {**run.sizes, "cell_options": run.cell_options}
        if self.model.ensemble_size is None:
            resolved["ensemble_size"] = 1  # all members would have the same initial weights
        both = self.model.bidirectional
        if both and self.unidirectional and "bidirectional" not in self.model.model_fields_set:
            both = resolved["bidirectional"] = False
        if both and run.sizes["num_layers"] > 1:
            raise SettingError(
                f"{run.path} has {run.sizes['num_layers']} layers, but bidirectional layers above the first have a different "
                "input size: use --set bidirectional=false, or train the language model with num_layers=1"
            )
        field.use_vocabulary(run.vocabulary)
        info.settings["model"] = resolved
        direction = "unidirectional" if not both else "bidirectional, with a new backward direction"
        info.messages.append(
            f"initialized from {run.path}, a language model of {len(run.vocabulary):,} {run.vocabulary.tokenization}; "
            f"{direction}"
        )

    # a new network -------------------------------------------------------------------------------------------------
    def initialize(self, network: nn.Module, field: WordField, train: Store, on_progress: OnProgress) -> list[str]:
        """Load the pretrained weights into a new network, and return messages for the user.

        Args:
            network: the network, with random weights.
            field: the field of the text.
            train: the encoded training part, whose tokens are counted.
            on_progress: called with the number of lines read.
        """
        if self.file is None and self.run is None:
            return []
        tables = [module for module in network.modules() if isinstance(module, TokenEmbedding)]
        for table in tables:
            if table.ngram_embedding is not None:
                table.ngram_embedding.weight.zero_()  # the network begins with the pretrained embeddings only
        lexicon = field.lexicon()
        counts = _token_counts(train, field.name, lexicon.first_id + len(lexicon.words))
        if self.file is not None:
            return self._initialize_embedding(self.file, tables, lexicon, counts, on_progress)
        if self.run is not None:
            return self._initialize_from_run(self.run, network, tables, lexicon, counts)
        return []

    def _initialize_embedding(
        self,
        file: EmbeddingFile,
        tables: Sequence[TokenEmbedding],
        lexicon: Lexicon,
        counts: np.ndarray,
        on_progress: OnProgress,
    ) -> list[str]:
        if lexicon.tokenization == "subwords":
            raise SettingError(
                f"{file.path} has embeddings of words, but tokenization is subwords; use --set tokenization=words"
            )
        matches = find_embeddings(file, lexicon.words, lexicon.normalize, on_progress)
        known = np.concatenate([np.zeros(lexicon.first_id, bool), matches.match > 0])
        vectors = torch.from_numpy(matches.embeddings[matches.match > 0])
        spread = float(vectors.std()) if vectors.numel() > 1 else 0.1
        for table in tables:
            weight = table.embedding.weight
            weight[1:].normal_(std=spread)  # words that the file lacks are initialized at the same scale
            weight[table.drop.unknown] = vectors.mean(0).to(weight.dtype)
            weight[torch.from_numpy(known)] = vectors.to(weight.dtype)
            if table.frozen:
                table.frozen_rows.copy_(torch.from_numpy(known))
        other = int(((matches.match > 0) & (matches.match < EXACT)).sum())
        return [
            f"embeddings: size {file.size}; they cover {_percent(known[lexicon.first_id :].mean())} of the vocabulary and "
            f"{_percent(counts[known].sum() / max(counts.sum(), 1))} of the {lexicon.tokenization} in the training data"
            + (f"; {other:,} matched in another case" if other else "")
            + ("; frozen" if self.model.freeze_embeddings else "")
        ]

    def _initialize_from_run(
        self,
        run: LanguageRun,
        network: nn.Module,
        tables: Sequence[TokenEmbedding],
        lexicon: Lexicon,
        counts: np.ndarray,
    ) -> list[str]:
        weights = run.weights()
        rows, known = _row_indices(lexicon, run)
        for table in tables:
            table.embedding.weight.copy_(weights["embedding.weight"][torch.from_numpy(rows)])
            table.embedding.weight[0].zero_()
        for layer in network.modules():
            if isinstance(layer, Recurrent):
                run.fill(layer, weights)
        if not counts[lexicon.first_id :][known[lexicon.first_id :]].any():
            raise DataError(
                f"the vocabulary of {self.model.pretrained} has none of the {lexicon.tokenization} of the training data: "
                "use a language model trained on similar text, or remove --pretrained"
            )
        covered = _percent(counts[known].sum() / max(counts.sum(), 1))
        return [f"the language model covers {covered} of the {lexicon.tokenization} in the training data"]


def _token_counts(train: Store, name: str, size: int) -> np.ndarray:
    """The count of each token ID in the training part, (size,)."""
    flat = train.flat(name)
    counts = np.zeros(size, np.int64)
    for at in range(0, len(flat), CHUNK):
        part = np.asarray(flat[at : at + CHUNK])
        counts += np.bincount(part if part.ndim == 1 else part[:, 0], minlength=size)
    return counts


def _row_indices(lexicon: Lexicon, run: LanguageRun) -> tuple[np.ndarray, np.ndarray]:
    """The row of the language model for each token ID, its unknown token for missing ones; and a mask of those it has."""
    tokens = run.vocabulary.tokens
    theirs: dict[str, int] = {}
    for number, token in enumerate(tokens[3:], 3):
        theirs.setdefault(lexicon.normalize(token), number)
    theirs |= {token: number for number, token in enumerate(tokens[3:], 3)}
    unknown = run.vocabulary.unknown
    rows = np.array([*range(lexicon.first_id), *(theirs.get(word, unknown) for word in lexicon.words)])
    return rows, rows > unknown


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.0f} %" if fraction < 0.995 or fraction == 1 else f"{100 * fraction:.1f} %"
