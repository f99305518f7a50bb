"""caption: a text for each image or feature vector (1 to N), learnt from one text or several about each.

    image -> convolutions -> attention <-> decoder -> text          features (F,) or (N, F) -> linear -> ...

The encoder is trained along. What attention finds at a step conditions the next one, with the token written; without
attention the image's summary conditions every step, or the first state alone (`--condition first`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor, nn

from ...data.report import DataReport
from ...data.sources.sources import Source
from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...data.words.vocabulary import Level, Vocabulary
from ...decoding.beam_search import Found
from ...errors import SettingError
from ...fields.image_features import Features, features_column
from ...fields.paired_text import Raw
from ...files import read_json, write_json
from ...metrics.text import scores_of_any
from ...models.decoder import Decoder, DecoderState
from ...models.encoder import Tokens
from ...models.image_encoder import FeatureEncoder, ImageEncoder
from ...models.scheduled_sampling import ForcedTraining
from ...models.seq2seq import SequenceToSequence, shifted
from ...nn.attention import attention
from ...settings import RARE, DataSettings, ModelSettings, Settings, TrainingSettings
from ..base import Batch, Reading, Say
from ..inputs.image import ImageInput, ImageSettings
from ..shared.generation import evenly, silent
from ..shared.seq2seq_task import Decoding, looked
from .fields import CaptionReport, Captions, Which, captions_of, rows_of_images

PART = 512  # images held in memory at once while they are answered


class CaptionData(ImageSettings):
    """Images or feature vectors, and texts about each."""

    grey: bool | None = Setting(None, description="without colours; as the first image is")
    features: str | None = Setting(None, description="column of feature vectors, in place of images")
    text: str | None = Setting(None, description="column of the texts; found by itself")
    level: Level | None = Setting(None, description="what a token is")
    vocabulary_size: int = Setting(30_000, ge=10, description="most frequent tokens kept", json_schema_extra=RARE)
    min_count: int | None = Setting(None, ge=1, description="rarer tokens are unknown", json_schema_extra=RARE)


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


class CaptionNetwork(SequenceToSequence):
    """`first_only`: without attention the summary makes the first state and conditions no step."""

    first_only = False

    def start(self, x: Tensor, lengths: Tensor | None = None) -> DecoderState:
        state = super().start(x, lengths)
        return state._replace(context=torch.zeros_like(state.context)) if self.first_only else state


class Caption(Decoding):
    """See the module's docstring."""

    name: ClassVar[str] = "caption"
    structure: ClassVar[str] = "1 to N"
    summary: ClassVar[str] = "a text for each image or feature vector"
    Data: ClassVar[type[DataSettings]] = CaptionData
    Model: ClassVar[type[ModelSettings]] = CaptionModel
    Training: ClassVar[type[TrainingSettings]] = ForcedTraining
    called: ClassVar[str] = "images"
    in_use: ClassVar[tuple[str, ...]] = ("model.beam", "model.length_penalty", "model.weights", "data.broken")

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        data = self.data
        if data.features is not None and any(x is not None for x in (data.image, data.image_size, data.grey)):
            raise SettingError("features are in place of images: leave out image, image_size and grey")
        self.text = Captions("text", data.text, data.min_count)
        self.text.level, self.text.size = data.level, data.vocabulary_size
        if data.features is None:
            self._see(ImageInput("image", data.image, data.image_size, data.grey))
        else:
            self._see(Features("features", data.features))
        self.longest, self.several = 1, True

    def _see(self, seen: ImageInput | Features) -> None:
        self.seen = seen
        self.fields = [seen, self.text, Raw("raw_text"), Which("which", seen)]

    @property
    def data(self) -> CaptionData:
        assert isinstance(self.settings.data, CaptionData)
        return self.settings.data

    @property
    def model(self) -> CaptionModel:
        assert isinstance(self.settings.model, CaptionModel)
        return self.settings.model

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        source = self._source(data)
        of_images = self.data.image is not None or ImageInput.suits(source, ()) is not None
        if self.data.features is None and not of_images and (column := features_column(source, ())):
            self.settings = self.settings.with_(data={"features": column})
            self._see(Features("features", column))
        reading = super().read(data, valid, cache, say, tick)
        train = self.stores["train"]
        ends = train.lengths("text")
        self.longest, self.several = int(ends.max()), int(train.lengths(self.seen.name).max()) > 1
        reading.steps_of_time = int(ends.sum()) + len(train)
        reading.lines.append(f"texts of {ends.mean():.1f} {self.text.level} on average, {self.longest} at most")
        return reading

    def _columns(self, source: Source) -> dict[str, str]:
        found = self._find(source, self.fields[:2])
        return found | {"raw_text": found["text"], "which": found[self.seen.name]}

    def _examples(self, values: list[Any]) -> Iterator[list[Any]]:
        """Each caption of the image by itself."""
        image, captions, _, which = values
        for caption in captions_of(captions):
            yield [image, caption, caption, which]

    def _survey(
        self, source: Source, columns: dict[str, str], tick: Callable[[int], None]
    ) -> tuple[DataReport, np.ndarray]:
        report, hashes = super()._survey(source, columns, tick)
        called = "images" if isinstance(self.seen, ImageInput) else "different features"
        return CaptionReport.of(report, len(np.unique(hashes)), called), hashes

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
            "metric": "token_error_rate",
        }
        held_back = len(np.unique(self.stores["valid"].column("which")))
        reading.lines += self._searched_of(held_back, "figures other than the loss")
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
    def _lengths(self) -> np.ndarray:
        return self.stores["train"].lengths("text") + 1  # what the decoder computes, the end mark too

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

    # figures -------------------------------------------------------------------------------------------------------
    def _evaluate_store(
        self, network: nn.Module, store: Store, tick: Callable[[int], None], *, beam: int, most: int
    ) -> dict[str, Any]:
        """The loss of all captions, a token; the other figures from the answers to `most` images, evenly picked.

        Each image counts once, with all its captions.
        """
        images = rows_of_images(store.column("which"))
        some = most < len(images)
        parts = LengthBatches(store.lengths("text") + 1, 128).in_order()
        loss = self._nats(network, store, parts, tick if some else silent)
        picked = [images[at] for at in evenly(len(images), most)]
        written: list[str] = []
        for begin in range(0, len(picked), PART):
            part = picked[begin : begin + PART]
            x, ends = store.ragged(self.seen.name, np.array([rows[0] for rows in part]))
            found = self._answers(network, [row[:end] for row, end in zip(x, ends, strict=True)], beam=beam)
            written += [self.text.vocabulary.decode(best[0].tokens) for best in found]
            if not some:
                tick(sum(map(len, part)))
        wanted = [Raw.read(store, "raw_text", rows) for rows in picked]
        return {"loss": loss, **scores_of_any(written, wanted, letters=self.text.level == "characters")}

    # use -----------------------------------------------------------------------------------------------------------
    def _most(self, length: int) -> int:
        return 2 * self.longest + 5

    def _live(self, lengths: np.ndarray) -> Tensor | None:
        return None if isinstance(self.seen, ImageInput) else super()._live(lengths)

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        encoded = self.seen.encode(self._input_values(examples))
        found = self._answers(network, encoded, beam=self.model.beam, keep_weights=self.model.weights)
        results: list[dict[str, Any]] = []
        for best, array in zip(found, encoded, strict=True):
            text, score = self.text.vocabulary.decode(best[0].tokens), round(best[0].score, 6)
            results.append({"text": text, "score": score})
            if self.model.weights:
                results[-1]["attention"] = self._picture(network, best[0], len(array))
        return results

    def _picture(self, network: nn.Module, found: Found, places: int) -> dict[str, Any]:
        """Where attention looked: for each token, the end mark too, the weight of each place, row after row of the map."""
        rows, columns = network.encoder.grid if isinstance(self.seen, ImageInput) else (1, places)  # type: ignore
        text, weights = looked(found, self.text.vocabulary, rows * columns)
        return {"text": text, "rows": rows, "columns": columns, "weights": weights}

    json_opens: ClassVar[str] = "{["

    def streams(self) -> tuple[bool, str]:
        return False, "an image is one input"
