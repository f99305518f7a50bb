"""The device and the arithmetic of a training run."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric

from ..errors import SettingError
from ..settings import TrainingSettings

PRECISIONS: dict[str, Any] = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def fabric_for(training: TrainingSettings) -> Fabric:
    """Set the number of threads and choose the device. Raises SettingError for a device that is not there."""
    if training.devices != 1:
        raise SettingError(f"devices = {training.devices}: this version trains on one device; leave it at 1")
    if training.threads is not None:
        torch.set_num_threads(training.threads)
    name, _, number = training.device.partition(":")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda", "mps"):
        raise SettingError(f"device = {training.device!r}; expected auto, cpu, cuda, cuda:N or mps")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[name]:
        raise SettingError(f"device = {training.device!r}: there is no such device here; leave it out, or use cpu")
    if number and (not number.isdecimal() or int(number) >= torch.cuda.device_count()):
        raise SettingError(f"device = {training.device!r}: there are {torch.cuda.device_count()} such devices, from 0")
    devices: Any = [int(number)] if number else 1
    return Fabric(accelerator=name, devices=devices, precision=PRECISIONS[training.precision])
