"""The weights and the vocabulary of a `language` run, read from JSON, YAML and safetensors. Nothing in it is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from ...data.words.vocabulary import Vocabulary
from ...errors import RunError
from ...files import FORMAT, check_evaluated, read_yaml
from ...nn import Recurrent
from ...settings import DEFAULT_CELL

TASK = "language"
SIZES = ("hidden_size", "num_layers", "embedding_size")


@final
class LanguageRun:
    """A trained language model whose weights begin another run.

    path           run folder
    sizes          name of the cell, hidden_size, num_layers and embedding_size
    cell_options   options of the cell
    vocabulary     vocabulary of the tokens

    Raises RunError if the folder is not a run of `language`, is damaged, or has another format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / "config.yaml").is_file():
            problem = "is not a run folder: it contains no config.yaml" if self.path.is_dir() else "does not exist"
            raise RunError(f"{self.path} {problem}; pretrained expects a folder that recurra train language wrote")
        config = read_yaml(self.path / "config.yaml")
        version = config.get("format") if isinstance(config, dict) else None
        if not isinstance(version, int) or not isinstance(config.get("model"), dict):
            raise RunError(f"{self.path}/config.yaml is damaged: the key 'format' or 'model' is missing")
        if version != FORMAT:
            remedy = "update recurra" if version > FORMAT else "train the language model again"
            raise RunError(
                f"{self.path}: run format {version}; this version of recurra reads format {FORMAT}; {remedy}"
            )
        if config.get("task") != TASK:
            raise RunError(f"{self.path} is a run of {config.get('task')}; pretrained expects a run of {TASK}")
        model: dict[str, Any] = config["model"]
        if not all(isinstance(model.get(name), int) for name in SIZES):
            raise RunError(f"{self.path}/config.yaml is damaged: it must contain {' and '.join(SIZES)}")
        self.sizes: dict[str, Any] = {"cell": str(model.get("cell") or DEFAULT_CELL)} | {
            name: model[name] for name in SIZES
        }
        self.cell_options = dict(model.get("cell_options") or {})
        self.vocabulary = Vocabulary.load(self.path / "vocabulary", "text")

    def weights(self) -> dict[str, Tensor]:
        """Return the embedding and the recurrent weights by name.

        Raises RunError if they are missing or do not match the vocabulary.
        """
        from safetensors import SafetensorError, safe_open

        check_evaluated(self.path)
        path = self.path / "model.safetensors"
        try:
            with safe_open(path, "pt") as file:
                names = [name for name in file.keys() if name.startswith(("embedding.", "recurrent."))]  # noqa: SIM118
                tensors = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise RunError(f"{path} is missing or damaged: {str(error).splitlines()[0]}") from None
        V, E = len(self.vocabulary), self.sizes["embedding_size"]
        if "embedding.weight" not in tensors or tuple(tensors["embedding.weight"].shape) != (V, E):
            raise RunError(f"{path} is damaged: expected an embedding of {V:,} tokens and {E} features")
        return tensors

    def fill(self, layer: Recurrent, weights: dict[str, Tensor]) -> None:
        """Copy the recurrent weights into the forward direction of `layer`.

        Where `layer` has more input features, the first ones are those of the embedding, and the weights of the others do
        not change. Raises RunError if the weights do not match.
        """
        parameters = dict(layer.named_parameters())
        recurrent = {
            name.removeprefix("recurrent."): value for name, value in weights.items() if name.startswith("recurrent.")
        }
        forward = {name for name in parameters if not name.endswith("_reverse")}
        if forward != set(recurrent) or not all(_fits(parameters[name], value) for name, value in recurrent.items()):
            raise RunError(f"{self.path} is damaged: its recurrent weights do not match its config.yaml")
        with torch.no_grad():
            for name, value in recurrent.items():
                parameter = parameters[name]
                parameter[tuple(slice(size) for size in value.shape)] = value.to(parameter.dtype)


def _fits(parameter: Tensor, value: Tensor) -> bool:
    """Whether `value` has the shape of `parameter`, or fewer columns."""
    if parameter.ndim != 2 or value.ndim != 2:
        return parameter.shape == value.shape
    return parameter.shape[0] == value.shape[0] and parameter.shape[1] >= value.shape[1]
