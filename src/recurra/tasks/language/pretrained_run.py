"""The weights and the vocabulary of a `language` run, read as JSON, YAML and safetensors: nothing in it is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from ...data.words.vocabulary import Vocabulary
from ...errors import RunError
from ...files import FORMAT, read_yaml
from ...nn import Recurrent
from ...settings import DEFAULT_CELL

TASK = "language"
SIZES = ("hidden_size", "num_layers", "embedding_size")


@final
class LanguageRun:
    """`sizes` of the network, its `cell_options`, and the `vocabulary`. RunError where it is no such run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / "config.yaml").is_file():
            what = "is not a run folder, it has no config.yaml" if self.path.is_dir() else "there is no such run folder"
            raise RunError(f"{self.path}: {what}; pretrain wants one that recurra train language wrote")
        config = read_yaml(self.path / "config.yaml")
        form = config.get("format") if isinstance(config, dict) else None
        if not isinstance(form, int) or not isinstance(config.get("model"), dict):
            raise RunError(f"{self.path}/config.yaml: is damaged, it names no format or no model")
        if form > FORMAT:
            raise RunError(
                f"{self.path}: run format {form} is newer than this recurra reads ({FORMAT}); update recurra"
            )
        if config.get("task") != TASK:
            raise RunError(f"{self.path}: is a run of {config.get('task')}; pretrain wants one of {TASK}")
        model: dict[str, Any] = config["model"]
        if not all(isinstance(model.get(name), int) for name in SIZES):
            raise RunError(f"{self.path}/config.yaml: is damaged, it lacks {' or '.join(SIZES)}")
        self.sizes: dict[str, Any] = {"cell": str(model.get("cell") or DEFAULT_CELL)} | {
            name: model[name] for name in SIZES
        }
        self.cell_options = dict(model.get("cell_options") or {})
        self.vocabulary = Vocabulary.load(self.path / "vocabulary", "text")

    def weights(self) -> dict[str, Tensor]:
        """Embedding and recurrent weights by name. RunError where they are missing or do not fit the vocabulary."""
        from safetensors import SafetensorError, safe_open

        path = self.path / "model.safetensors"
        try:
            with safe_open(path, "pt") as file:
                names = [name for name in file.keys() if name.startswith(("embedding.", "recurrent."))]  # noqa: SIM118
                tensors = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise RunError(f"{path}: is missing or damaged ({str(error).splitlines()[0]})") from None
        wanted = (len(self.vocabulary), self.sizes["embedding_size"])
        if "embedding.weight" not in tensors or tuple(tensors["embedding.weight"].shape) != wanted:
            raise RunError(f"{path}: is damaged, it has no embedding of {wanted[0]:,} tokens and {wanted[1]} features")
        return tensors

    def fill(self, layer: Recurrent, weights: dict[str, Tensor]) -> None:
        """Copy the recurrent weights into the forward direction.

        Where `layer` has more input features, its first ones are those of the embedding; the weights of the others are kept.
        """
        own = dict(layer.named_parameters())
        given = {
            name.removeprefix("recurrent."): value for name, value in weights.items() if name.startswith("recurrent.")
        }
        forward = {name for name in own if not name.endswith("_reverse")}
        fits = forward == set(given) and all(_fits(own[name], value) for name, value in given.items())
        if not fits:
            raise RunError(f"{self.path}: its recurrent weights do not fit its config.yaml; it is damaged")
        with torch.no_grad():
            for name, value in given.items():
                own[name][tuple(slice(size) for size in value.shape)] = value.to(own[name].dtype)


def _fits(own: Tensor, value: Tensor) -> bool:
    """The same shape, or (rows, more columns)."""
    wider = own.ndim == 2 and value.ndim == 2 and own.shape[0] == value.shape[0] and own.shape[1] > value.shape[1]
    return own.shape == value.shape or wider
