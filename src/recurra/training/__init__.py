"""Training: from a file to a run folder."""

from __future__ import annotations

from ..progress import Progress, Silent, Terminal
from .finetuning import finetune
from .trainer import resume, train

__all__ = ["Progress", "Silent", "Terminal", "finetune", "resume", "train"]
