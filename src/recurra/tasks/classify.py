"""classify: a class for each sequence (N to 1). Sentiment, intent, the language of a name, ...

embedding -> recurrent layers -> pooling -> linear -> softmax
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field as Setting
from torch import Tensor, nn
from torch.nn import functional as F

from ..settings import ClassTraining, ModelSettings, Settings, TrainingSettings
from .base import Batch, Reading
from .parts.encoder import SequenceEncoder, Tokens
from .parts.fields import Label, Text
from .parts.rows import RowData, RowTask
from .parts.text import TextSession, choose_text_settings


class TextData(RowData):
    """A table with a column of text."""

    text: str | None = Setting(None, description="column of the text; found by itself")
    level: Literal["words", "characters", "subwords"] | None = Setting(None, description="what a token is")
    vocabulary_size: int = Setting(30_000, ge=10, description="at most so many tokens, the most frequent ones")
    min_count: int | None = Setting(None, ge=1, description="rarer tokens are unknown")


class TextModel(ModelSettings):
    """An encoder of text."""

    bidirectional: bool = Setting(True, description="read in both directions; false lets the run stream")
    pooling: Literal["last", "mean", "max", "attention", "mean_max"] = Setting(
        "max", description="how the outputs of all steps become one vector"
    )
    embedding_size: int | None = Setting(None, ge=1, description="features of a token's vector")
    input_dropout: float | None = Setting(
        None, ge=0, lt=1, description="dropout of the vectors, one mask for all steps"
    )
    token_dropout: float | None = Setting(None, ge=0, lt=1, description="share of tokens made unknown in training")


class ClassifyData(TextData):
    """A column of text and one of classes."""

    label: str | None = Setting(None, description="column of the classes; found by itself")


class Classifier(nn.Module):
    """Encoder and one linear layer: (B, T) -> (B, C). `push` and `result` take it in pieces."""

    def __init__(self, encoder: SequenceEncoder, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.output_size, outputs)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.result(self.push(x, lengths))

    def push(self, x: Tensor, lengths: Tensor | None = None, state: Any = None) -> Any:
        return self.encoder.push(x, lengths, state)

    def result(self, state: Any) -> Tensor:
        output: Tensor = self.head(self.encoder.result(state))
        return output


class TextTask(RowTask):
    """What classify and regress share: a column of text, encoded into one vector by recurrent layers."""

    outputs: int

    def _text_field(self) -> Text:
        data = self.settings.data
        assert isinstance(data, TextData)
        return Text("text", data.text, data.level, data.vocabulary_size, data.min_count)

    def choose(self, reading: Reading) -> Settings:
        text = self.fields[0]
        assert isinstance(text, Text)
        return choose_text_settings(self.settings, reading, level=str(text.level), vocabulary=len(text.vocabulary))

    def network(self) -> nn.Module:
        model, text = self.settings.model, self.fields[0]
        assert isinstance(model, TextModel) and isinstance(text, Text)
        assert model.embedding_size and model.hidden_size and model.num_layers  # choose() has filled them
        vocabulary = text.vocabulary
        encoder = SequenceEncoder(
            Tokens(
                len(vocabulary),
                model.embedding_size,
                model.token_dropout or 0.0,
                pad=vocabulary.pad,
                unknown=vocabulary.unknown,
            ),
            model.embedding_size,
            self.cell,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            pooling=model.pooling,
            dropout=model.dropout or 0.0,
            input_dropout=model.input_dropout or 0.0,
            backend=model.backend,
        )
        return Classifier(encoder, self.outputs)

    def streams(self) -> tuple[bool, str]:
        if getattr(self.settings.model, "bidirectional", False):
            return False, "the backward direction needs the end of the text first; --set bidirectional=false streams"
        return True, ""

    def session(self, network: nn.Module) -> TextSession:
        if not self.streams()[0]:
            super().session(network)
        text = self.fields[0]
        assert isinstance(text, Text)
        return TextSession(network, text.vocabulary, lambda output: self.decode(output)[0])


class Classify(TextTask):
    """See the module's docstring."""

    name: ClassVar[str] = "classify"
    structure: ClassVar[str] = "N to 1"
    summary: ClassVar[str] = "a class for each text: sentiment, intent, language of a name"
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    Data = ClassifyData
    Model = TextModel
    Training: ClassVar[type[TrainingSettings]] = ClassTraining

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        self.label = Label("label", getattr(settings.data, "label", None))
        self.fields = [self._text_field(), self.label]

    @property
    def outputs(self) -> int:  # type: ignore[override]
        return len(self.label.classes)

    def row_losses(self, output: Tensor, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(output, batch.targets["label"], reduction="none", label_smoothing=label_smoothing)

    def figures(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_f1_score

        predicted, wanted, C = outputs.argmax(1), targets["label"], len(self.label.classes)
        table = multiclass_confusion_matrix(predicted, wanted, num_classes=C)
        return {
            "accuracy": float((predicted == wanted).double().mean()),
            "macro_f1": float(multiclass_f1_score(predicted, wanted, num_classes=C, average="macro")),
            "confusion": {"classes": self.label.classes, "table": table.tolist()},  # rows: true, columns: predicted
        }

    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        probabilities = outputs.softmax(1)
        best = probabilities.argmax(1)
        results = []
        for row, k in zip(probabilities, best.tolist(), strict=True):
            top = torch.topk(row, min(5, len(row)))
            likely = {
                self.label.classes[i]: round(p, 6)
                for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
            }
            results.append({"label": self.label.classes[k], "probability": round(row[k].item(), 6), "likely": likely})
        return results
