"""A user's trained network, found by the name of the function that makes it, with its weights from a file.

Only a function that is installed here and that the operator named in the spec is ever called; weights are read from a
safetensors file, so nothing is unpickled. It is done once, before a search: workers get arrays, and never see the
module.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gasearch_workers.data.dataset import Dataset, Pretrained
from gasearch_workers.evaluation.custom import find_evaluator
from gasearch_workers.evaluation.metric_values import EvaluatorError
from gasearch_workers.messages import NUMERIC_KINDS, Blueprint, network_from_json, network_to_json
from gasearch_workers.modules.build import build
from gasearch_workers.modules.pretrained import begin_with, transform_of
from gasearch_workers.modules.stored_module import read_state
from gasearch_workers.modules.tracing import Softmax, Traced, TraceError, trace
from gasearch_workers.network.plan import plan
from gasearch_workers.network.steps import INPUT
from gasearch_workers.training.resident import use_one_thread

PIXEL: Final = 255.0  #: What bytes of images are divided by, where nothing else is said.
COMPARED: Final = 64  #: Samples on which the traced network must answer as the module does.
TOLERANCE: Final = 1e-3  #: Of the largest output.


class PretrainedError(ValueError):
    """A trained network that can't be searched: `key` of the space section, and what to do."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


def with_pretrained(
    data: Dataset, function: str, weights: Path, *, mean: Sequence[float] = (), deviation: Sequence[float] = ()
) -> Dataset:
    """The data with the trained network that is searched on them.

    Args:
        data: Images, or a table of numbers.
        function: "package.module:function", which makes the module.
        weights: A safetensors file of its `state_dict`.
        mean: The module takes (x - mean) / deviation of the raw samples: one number, of a table also one per column; ()
            for 0.
        deviation: Likewise; () for 255 of images and 1 of tables.

    Raises:
        PretrainedError: if it can't be had, traced or isn't one for these data.
    """
    use_one_thread()
    module = _made(function)
    _load(module, weights)
    try:
        traced = trace(module, data.input_shape)
    except TraceError as error:
        raise PretrainedError("module", f"{function} can't be searched: {error}") from error
    outputs = traced.layers[-1].width
    if outputs != data.outputs:
        raise PretrainedError("module", f"{function} gives {outputs} outputs; {data.name} needs {data.outputs}")
    found = _described(traced, data, mean, deviation)
    _require_equal(module, traced.softmax, found, data)
    return dataclasses.replace(data, pretrained=found)


def _made(function: str) -> nn.Module:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for answers
            make: Any = find_evaluator(function)
            module = make()
    except EvaluatorError as error:
        raise PretrainedError("module", str(error).replace("the evaluator ", "", 1)) from error
    except Exception as error:  # whatever the user's function raises
        raise PretrainedError("module", f"{function} raised {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise PretrainedError("module", f"{function} must make a torch.nn.Module; it made {type(module).__name__}")
    return module.float().cpu().eval()


def _load(module: nn.Module, weights: Path) -> None:
    try:
        state = read_state(weights)
    except OSError as error:
        raise PretrainedError("weights", f"{weights} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise PretrainedError("weights", str(error)) from error
    own = module.state_dict()
    missing, surplus = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    unlike = [
        f"{name} is {tuple(state[name].shape)} and must be {tuple(own[name].shape)}"
        for name in sorted(own.keys() & state.keys())
        if own[name].shape != state[name].shape
    ]
    problems = [f"it lacks {', '.join(missing)}"] * bool(missing)
    problems += [f"the module has no {', '.join(surplus)}"] * bool(surplus) + unlike
    if problems:
        raise PretrainedError("weights", f"{weights} doesn't fit the module: {'; '.join(problems)[:1000]}")
    if bad := [name for name, tensor in state.items() if not bool(torch.isfinite(tensor.double()).all())]:
        raise PretrainedError("weights", f"{weights} holds what is no finite number, in {', '.join(bad)[:300]}")
    module.load_state_dict(state, strict=False)


def _described(traced: Traced, data: Dataset, mean: Sequence[float], deviation: Sequence[float]) -> Pretrained:
    columns = 1 if data.input_kind == "image" else data.input_shape[0]
    given = [
        _numbers("mean", mean or (0.0,), columns),
        _numbers("deviation", deviation or (PIXEL if data.input_kind == "image" else 1.0,), columns),
    ]
    if data.input_kind == "image" and not 0 <= given[0][0] <= PIXEL:
        raise PretrainedError("mean", f"a mean of bytes lies from 0 to 255; got {given[0][0]:g}")
    blueprint = Blueprint(
        family="bits",
        input_shape=data.input_shape,
        layers=traced.layers,
        is_regression=data.kind in NUMERIC_KINDS,
    )
    biases = traced.biases
    if data.target_offset:  # targets are told minus it
        biases = (*biases[:-1], biases[-1] - np.float32(data.target_offset))
    digest = hashlib.blake2b(network_to_json(blueprint).encode(), digest_size=8)
    for array in (*given, *traced.weights, *biases):
        digest.update(array.tobytes())
    blueprint = dataclasses.replace(blueprint, trained=digest.hexdigest())
    return Pretrained(
        network=network_to_json(blueprint),
        mean=given[0],
        deviation=given[1],
        weights=traced.weights,
        biases=biases,
    )


def _numbers(key: str, values: Sequence[float], columns: int) -> NDArray[np.float32]:
    if len(values) not in (1, columns):
        raise PretrainedError(key, f"must be one number{f' or {columns}' * (columns > 1)}; got {len(values)}")
    return np.broadcast_to(np.asarray(values, dtype=np.float32), (columns,)).copy()


@torch.no_grad()
def _require_equal(module: nn.Module, softmax: Softmax, found: Pretrained, data: Dataset) -> None:
    """Refuse a module of which the traced layers compute something else."""
    blueprint = network_from_json(found.network)
    assert isinstance(blueprint, Blueprint)
    steps = plan(blueprint)
    raw = data.train.x[:COMPARED]
    network = build(steps, transform_of(found, steps, raw), seed=0)
    begin_with(network, found)
    network.eval()
    x = torch.from_numpy(raw.copy())
    ours = network(x) + data.target_offset
    if softmax:
        ours = ours.softmax(dim=1) if softmax == "softmax" else ours.log_softmax(dim=1)
    theirs = module(network.input(x)[INPUT].contiguous())
    largest = float(theirs.abs().max()) or 1.0
    difference = float((ours - theirs).abs().max())
    if not difference <= TOLERANCE * largest:
        raise PretrainedError(
            "module",
            f"the traced layers answer otherwise than the module does, by {difference:.3g} where outputs reach "
            f"{largest:.3g}; does it change a tensor in place that it reads again?",
        )
