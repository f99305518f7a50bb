"""The two exporters to ONNX. The exported model runs in ONNX Runtime, on another input than that of the export."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from typing import Any

import torch

from ..case import Case
from ..observe import Found, named_outputs, values
from .base import mode


def _missing(*packages: str) -> Any:
    def reason() -> str | None:
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        return f"{' and '.join(missing)} is not installed" if missing else None

    return reason


def _run(model: bytes, case: Case) -> Found:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = {f"input_{k}": t.detach().numpy() for k, t in enumerate([*case.inputs, *case.rest])}
    named = {spec.name: given[spec.name] for spec in session.get_inputs()}
    return named_outputs([torch.from_numpy(output) for output in session.run(None, named)])


def _export(flat: Any, case: Case, **options: Any) -> Any:
    names = [f"input_{k}" for k in range(len(case.example))]
    with contextlib.redirect_stdout(io.StringIO()):
        return torch.onnx.export(flat.eval(), case.example, input_names=names, **options)


@mode("ONNX, TorchScript", exact=values, grid="pairs", torchscript=True, unavailable=_missing("onnx", "onnxruntime"))
def onnx_torchscript(flat: Any, case: Case) -> Found:
    buffer = io.BytesIO()
    _export(flat, case, f=buffer, dynamo=False)
    return _run(buffer.getvalue(), case)


@mode("ONNX, torch.export", exact=values, grid="pairs", unavailable=_missing("onnx", "onnxruntime", "onnxscript"))
def onnx_export(flat: Any, case: Case) -> Found:
    program = _export(flat, case, dynamo=True, verbose=False)
    return _run(program.model_proto.SerializeToString(), case)
