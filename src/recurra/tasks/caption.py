"""caption: a text for each image or feature vector (1 to N).

    image -> convolutions -> attention <-> decoder -> text          features (F,) or (N, F) -> linear -> ...

The encoder is trained along. What attention finds at a step conditions the next one, with the token written; without
attention the image's summary conditions every step, or the first state alone (`--condition first`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from pydantic import field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batching import LengthBatches
from ..data.sources import Source
from ..data.store import Store
from ..data.vocabulary import Level, Vocabulary
from ..data.words import han_share
from ..errors import CallError, DataError, SettingError
from ..files import read_json, write_json
from ..nn.attention import attention
from ..settings import RARE, ClassTraining, DataSettings, ModelSettings, Settings, TrainingSettings
from .base import Batch, Reading, Say, device_of
from .parts.decoder import Decoder, DecoderState
from .parts.encoder import Tokens
from .parts.features import Features, features_column
from .parts.forcing import forcing_share, mixed
from .parts.input_image import ImageInput, size_of
from .parts.pairs import Raw, Side
from .parts.rows import RowReader, evenly, padded
from .parts.search import Found, search
from .parts.seq2seq import SequenceToSequence, shifted
from .parts.textscores import scores_of
from .parts.vision import FeatureEncoder, ImageEncoder

TEXT_NAMES = ("text", "caption", "captions", "description", "sentence", "label", "target", "描述", "文本", "标题")
SEARCHED = 1000  # held-back rows that are answered at each evaluation of a training run; the loss is of all
BEAMS = 256  # answers followed at once


class CaptionData(DataSettings):
    """Images or feature vectors, and a text for each."""

    image: str | None = Setting(None, description="column of the images or their files; found by itself")
    features: str | None = Setting(None, description="column of feature vectors, in place of images")
    text: str | None = Setting(None, description="column of the texts; found by itself")
    image_size: str | None = Setting(None, description="rows x columns, as 64x64: images are made that large")
    grey: bool | None = Setting(None, description="without colours; as the first image is")
    level: Level | None = Setting(None, description="what a token is")
    vocabulary_size: int = Setting(30_000, ge=10, description="most frequent tokens kept", json_schema_extra=RARE)
    min_count: int | None = Setting(None, ge=1, description="rarer tokens are unknown", json_schema_extra=RARE)

    @field_validator("image_size")
    @classmethod
    def _size(cls, value: str | None) -> str | None:
        if value is not None:
            size_of(value)
        return value


class CaptionModel(ModelSettings):
    """Encoder, attention, decoder."""

    encoder_size: int | None = Setting(None, ge=8, description="channels of the map that attention looks at")
    shift: int = Setting(0, ge=0, description="in training images are moved by up to so many pixels")
    embedding_size: int | None = Setting(None, ge=1, description="features of a token's vector")
    attention: Literal["additive", "dot", "none"] | None = Setting(None, description="score; none for one vector")
    condition: Literal["steps", "first"] = Setting("steps", description="the image conditions each step, or the first")
    feed: Literal["between", "input", "output"] = Setting(
        "input", description="where the context enters", json_schema_extra=RARE
    )
    tied: bool = Setting(False, description="output layer and embedding are one", json_schema_extra=RARE)
    beam: int = Setting(3, ge=1, le=64, description="answers followed side by side")
    length_penalty: float = Setting(
        1.0, ge=0, description="a: log p / length ** a is the score", json_schema_extra=RARE
    )
    weights: bool = Setting(False, description="predict gives the attention weights")


class CaptionTraining(ClassTraining):
    """The training run."""

    teacher_forcing: float = Setting(1.0, ge=0, le=1, description="share of true tokens given at the end")
    forcing_schedule: Literal["constant", "linear", "sigmoid"] = Setting(
        "linear", description="how that share falls from 1", json_schema_extra=RARE
    )
    metric: Literal["bleu", "chrf", "exact_match", "token_error_rate", "loss"] = Setting(
        "token_error_rate", description="the figure that picks the best weights", json_schema_extra=RARE
    )


class Told(Side):
    """The text about an image."""

    def find(self, source: Source, taken: Sequence[str]) -> str:
        if self.asked is not None:
            return source.need(self.asked)
        free = [column for column in source.columns if column not in taken]
        by_name = {column.strip().lower(): column for column in reversed(free)}
        named = next((by_name[name] for name in TEXT_NAMES if name in by_name), None)
        if named is None and len(free) == 1:
            named = free[0]
        if named is None:
            there = ", ".join(source.columns[:20])
            raise DataError(f"which column is the text? name it with --text (there are {there})", file=source.path)
        return named

    def fit(self, values: Any) -> None:
        values = list(values)
        if self.level is None:
            self.level = "characters" if han_share(values[:1000]) > 0.5 else "words"
        super().fit(values)


class CaptionNetwork(SequenceToSequence):
    """`first_only`: without attention the summary makes the first state and conditions no step."""

    first_only = False

    def start(self, x: Tensor, lengths: Tensor | None = None) -> DecoderState:
        state = super().start(x, lengths)
        return state._replace(context=torch.zeros_like(state.context)) if self.first_only else state


class Caption(RowReader):
    """See the module's docstring."""

    name: ClassVar[str] = "caption"
    structure: ClassVar[str] = "1 to N"
    summary: ClassVar[str] = "a text for each image or feature vector"
    Data: ClassVar[type[DataSettings]] = CaptionData
    Model: ClassVar[type[ModelSettings]] = CaptionModel
    Training: ClassVar[type[TrainingSettings]] = CaptionTraining
    in_use: ClassVar[tuple[str, ...]] = ("model.beam", "model.length_penalty", "model.weights", "data.broken")

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        data = self.data
        if data.features is not None and any(x is not None for x in (data.image, data.image_size, data.grey)):
            raise SettingError("features are in place of images: leave out image, image_size and grey")
        self.seen: ImageInput | Features = ImageInput("image", data.image, data.image_size, data.grey)
        if data.features is not None:
            self.seen = Features("features", data.features)
        self.text = Told("text", data.text, data.min_count)
        self.text.level, self.text.size = data.level, data.vocabulary_size
        self.fields = [self.seen, self.text, Raw("raw_text")]
        self.longest, self.several = 1, True

    @property
    def data(self) -> CaptionData:
        assert isinstance(self.settings.data, CaptionData)
        return self.settings.data

    @property
    def model(self) -> CaptionModel:
        assert isinstance(self.settings.model, CaptionModel)
        return self.settings.model

    @property
    def training(self) -> CaptionTraining:
        assert isinstance(self.settings.training, CaptionTraining)
        return self.settings.training

    @property
    def metric(self) -> str:  # type: ignore[override]
        return self.training.metric

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        return self.metric in ("bleu", "chrf", "exact_match")

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        source = self._source(data)
        of_images = self.data.image is not None or ImageInput.suits(source, ()) is not None
        if self.data.features is None and not of_images and (column := features_column(source, ())):
            self.settings = self.settings.with_(data={"features": column})
            self.fields[0] = self.seen = Features("features", column)
        reading = super().read(data, valid, cache, say, tick)
        train = self.stores["train"]
        if not len(train) or not len(self.stores["valid"]):
            raise DataError("too few rows to train on and to check with", file=data)
        ends = train.lengths("text")
        self.longest, self.several = int(ends.max()), int(train.lengths(self.seen.name).max()) > 1
        reading.steps_of_time = int(ends.sum()) + len(train)
        reading.lines.append(f"texts of {ends.mean():.1f} {self.text.level} on average, {self.longest} at most")
        return reading

    def _columns(self, source: Source) -> dict[str, str]:
        found = self._find(source, self.fields[:2])
        return found | {"raw_text": found["text"]}

    def save_vocabulary(self, folder: Path) -> None:
        super().save_vocabulary(folder)
        write_json(folder / "caption.json", {"longest": self.longest, "several": self.several})

    def load_vocabulary(self, folder: Path) -> None:
        super().load_vocabulary(folder)
        facts = read_json(folder / "caption.json")
        self.longest, self.several = int(facts["longest"]), bool(facts["several"])

    def choose(self, reading: Reading) -> Settings:
        """Defaults from what is seen: a map or one vector, few rows or many."""
        maps = isinstance(self.seen, ImageInput) or self.several
        model = {
            "hidden_size": 192,
            "num_layers": 1,
            "embedding_size": 96,
            "encoder_size": 96 if isinstance(self.seen, ImageInput) else 192,
            "attention": "additive" if maps and self.model.condition == "steps" else "none",
            "dropout": 0.1,
        }
        training = {
            "batch_size": 32,
            "learning_rate": 1.5e-3,
            "epochs": float(min(max(600_000 / max(reading.rows, 1), 12.0), 100.0)),
            "averaging": 0.998,
            "patience": 10,
        }
        if len(self.stores["valid"]) > SEARCHED:
            reading.lines.append(
                f"while training, figures other than the loss are of {SEARCHED:,} held-back rows, without a beam"
            )
        return self.settings.with_open(data={"level": self.text.level}, model=model, training=training)

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        model, drop = self.model, self.model.dropout or 0.0
        assert model.hidden_size and model.num_layers and model.embedding_size and model.encoder_size  # choose()
        if model.condition == "first" and model.attention != "none":
            raise SettingError("condition is first, and attention conditions every step; say attention=none, or steps")
        encoder: ImageEncoder | FeatureEncoder
        if isinstance(self.seen, ImageInput):
            assert self.seen.shape is not None
            encoder = ImageEncoder(
                self.seen.shape,
                self.seen.mean,
                self.seen.std,
                width=model.encoder_size,
                shift=model.shift,
                dropout=drop,
            )
        else:
            assert self.seen.width is not None
            encoder = FeatureEncoder(self.seen.width, width=model.encoder_size, dropout=drop)
        size = model.embedding_size
        tokens = Tokens(len(self.text.vocabulary), size, 0.0, pad=Vocabulary.pad, unknown=Vocabulary.unknown)
        attends = model.attention not in (None, "none")
        decoder = Decoder(
            tokens,
            size,
            self.cell,
            memory_size=encoder.output_size,
            hidden_size=model.hidden_size,
            output_size=size if model.tied else model.hidden_size,
            num_layers=model.num_layers,
            attend=attention(str(model.attention), model.hidden_size, encoder.output_size) if attends else None,
            feed=model.feed,
            dropout=drop,
            backend=model.backend,
        )
        network = CaptionNetwork(encoder, decoder, len(self.text.vocabulary), tokens.embedding if model.tied else None)
        network.first_only = model.condition == "first"
        return network

    # training ------------------------------------------------------------------------------------------------------
    def train_batches(self, epoch: int) -> Sequence[np.ndarray]:
        if not hasattr(self, "batches"):
            assert self.training.batch_size is not None  # choose() has filled it
            lengths = self.stores["train"].lengths("text") + 1
            self.batches = LengthBatches(lengths, self.training.batch_size, seed=self.training.seed)
        return self.batches.epoch(epoch)

    def cost(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([len(rows) * int(self.batches.lengths[rows].max()) for rows in keys])

    def padding(self, epoch: int = 0) -> float:
        """Share of the decoder's computed steps that is padding."""
        return self.batches.padding_share(list(self.train_batches(epoch)))

    def batch(self, key: np.ndarray) -> Batch:
        return self._gather(self.stores["train"], key)

    def _gather(self, store: Store, rows: np.ndarray) -> Batch:
        x, lengths = store.ragged(self.seen.name, rows)
        y, ends = store.ragged("text", rows)
        before, after = shifted(y, ends)
        inputs = {"x": x, "tokens": before, "steps": ends + 1}
        if not isinstance(self.seen, ImageInput):
            inputs["lengths"] = lengths
        return Batch(
            {name: torch.from_numpy(array) for name, array in inputs.items()},
            {"next": torch.from_numpy(after)},
            int(ends.sum()) + len(rows),
            before.size,
        )

    def _run(self, network: nn.Module, batch: Batch, tokens: Tensor | None = None) -> Any:
        inputs = batch.inputs
        given = inputs["tokens"] if tokens is None else tokens
        return network(inputs["x"], inputs.get("lengths"), given, inputs["steps"])

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        share, tokens = (
            forcing_share(self.training.forcing_schedule, self.training.teacher_forcing, self.progress),
            None,
        )
        if share < 1:
            with torch.no_grad():
                guess = self._run(network, batch)
            tokens = mixed(batch.inputs["tokens"], guess.scores, guess.live, share)
        answer = self._run(network, batch, tokens)
        wanted = batch.targets["next"][answer.live]
        return F.cross_entropy(answer.scores, wanted, label_smoothing=self.training.label_smoothing), None

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is None:
            return self._evaluate_store(network, self.stores["valid"], tick, beam=1, most=SEARCHED)
        with self.stored(data) as store:
            return self._evaluate_store(network, store, tick, beam=self.model.beam, most=len(store))

    def _evaluate_store(
        self, network: nn.Module, store: Store, tick: Callable[[int], None], *, beam: int, most: int
    ) -> dict[str, Any]:
        """The loss of all rows, a token; the other figures from the answers to `most` rows, evenly picked."""
        device, nats, tokens = device_of(network), 0.0, 0
        for rows in LengthBatches(store.lengths("text") + 1, 128).in_order():
            batch = self._gather(store, rows).to(device)
            answer = self._run(network, batch)
            wanted = batch.targets["next"][answer.live]
            nats += F.cross_entropy(answer.scores.float(), wanted, reduction="sum").item()
            tokens += len(wanted)
            tick(len(rows) if most < len(store) else 0)
        picked = evenly(len(store), most)
        written = []
        for part in np.array_split(picked, max(len(picked) // BEAMS, 1)):
            x, ends = store.ragged(self.seen.name, part)
            found = self._answers(network, [row[:end] for row, end in zip(x, ends, strict=True)], beam=beam)
            written += [self.text.vocabulary.decode(best[0].tokens) for best in found]
            tick(len(part) if most >= len(store) else 0)
        wanted_texts = Raw.read(store, "raw_text", picked)
        return {"loss": nats / tokens, **scores_of(written, wanted_texts, letters=self.text.level == "characters")}

    # use -----------------------------------------------------------------------------------------------------------
    def _answers(
        self, network: nn.Module, examples: Sequence[np.ndarray], *, beam: int, keep_weights: bool = False
    ) -> list[list[Found]]:
        """The answers to each encoded example, best first."""
        device, most = device_of(network), 2 * self.longest + 5
        lengths = np.array([len(example) for example in examples])
        answers: list[list[Found]] = [[] for _ in examples]
        for rows in LengthBatches(lengths, max(BEAMS // beam, 1)).in_order():
            x = padded([examples[row] for row in rows]).to(device)
            live = None if isinstance(self.seen, ImageInput) else torch.from_numpy(lengths[rows]).to(device)
            found = search(
                network.step,  # type: ignore[arg-type]
                network.start(x, live),  # type: ignore[operator]
                [most] * len(rows),
                start=Vocabulary.end,
                end=Vocabulary.end,
                beam=beam,
                alpha=self.model.length_penalty,
                never=[Vocabulary.pad, Vocabulary.unknown],
                keep_weights=keep_weights,
            )
            for row, best in zip(rows, found, strict=True):
                answers[row] = best
        return answers

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        values = [self._input_value(example) for example in examples]
        for number, value in enumerate(values, 1):
            if said := self.seen.unusable(value):
                raise CallError(f"example {number}: {self.seen.name} {said}")
        if self.model.weights and self.model.attention == "none":
            raise SettingError("weights are asked for, and this run has no attention (attention is none)")
        encoded = self.seen.encode(values) if values else []
        found = self._answers(network, encoded, beam=self.model.beam, keep_weights=self.model.weights)
        results: list[dict[str, Any]] = []
        for best, array in zip(found, encoded, strict=True):
            tokens = best[0].tokens
            results.append({"text": self.text.vocabulary.decode(tokens), "score": round(best[0].score, 6)})
            if self.model.weights:
                results[-1]["attention"] = self._picture(network, best[0], len(array))
        return results

    def _picture(self, network: nn.Module, found: Found, places: int) -> dict[str, Any]:
        """Where attention looked: for each token, the end mark too, the weight of each place, row after row of the map."""
        assert found.weights is not None
        rows, columns = network.encoder.grid if isinstance(self.seen, ImageInput) else (1, places)  # type: ignore
        text = [self.text.vocabulary.decode([token]) for token in found.tokens]
        weights = [[round(weight, 4) for weight in row[: rows * columns]] for row in found.weights.tolist()]
        return {"text": [*text, "<end>"][: len(weights)], "rows": rows, "columns": columns, "weights": weights}

    def example(self, line: str) -> Any:
        """A line of a file of inputs: a JSON object or list, or the name of a file."""
        import json

        if line.lstrip().startswith("["):
            try:
                return json.loads(line)
            except json.JSONDecodeError:
                return line
        return super().example(line)

    def streams(self) -> tuple[bool, str]:
        return False, "an image is one input"
