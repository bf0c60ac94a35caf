"""A trained torch module as traced layers and their weights, normalization folded into the layer before it.

`torch.fx` records what the module computes of its input; each operation becomes one of those that plans are made of. A
ReLU becomes part of the operation before it: it may as well come before a pooling or a flattening that it follows, as
these only choose or move values. Whatever else the module does is refused.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from gasearch_workers.messages import Layer
from gasearch_workers.network.kinds.traced import TracedOp, traced_layer
from gasearch_workers.network.steps import INPUT, Shape

SUPPORTED: Final = (
    "Conv2d (square, odd kernel, padding of half the kernel, stride 1 or 2, one group or one per channel), Linear, "
    "BatchNorm after either, ReLU, MaxPool2d of 2 x 2, global average pooling, addition of two tensors, flattening, "
    "Dropout and Identity"
)
LARGEST_KERNEL: Final = 11

Softmax = Literal["", "softmax", "log_softmax"]


class TraceError(ValueError):
    """A module that can't be searched; the message says what it does, where, and what is supported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What a module computes."""

    layers: tuple[Layer, ...]  #: At full precision; the last one is the head.
    #: Per layer that has some, in order: (out, in / groups, k, k) or (out, in), float32.
    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]  #: Likewise, (out,) each.
    softmax: Softmax  #: What the module makes of the head's logits.


@dataclass(slots=True, kw_only=True)
class _Item:
    """One operation, changed while what follows it is read."""

    name: str
    op: TracedOp
    inputs: tuple[str, ...]
    shape: Shape  #: Of its output, of one sample.
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    has_relu: bool = False
    weight: Tensor | None = None
    bias: Tensor | None = None
    readers: list[str] = field(default_factory=list)  #: Operations that read it.


def trace(module: nn.Module, sample_shape: Shape) -> Traced:
    """The layers of a module, which is put into evaluation mode.

    Args:
        module: Takes (B, *sample_shape) in float32 and gives (B, outputs).
        sample_shape: (channels, height, width), or (features,).

    Raises:
        TraceError: if it does what no plan can hold, or doesn't take such samples.
    """
    module.eval()
    try:
        graph = fx.symbolic_trace(module)
    except Exception as error:  # whatever the user's code raises when it is given what has no values
        raise TraceError(
            f"torch.fx can't follow it ({type(error).__name__}: {_line(error)}): what it computes must not depend on "
            "the values of its input"
        ) from error
    graph.graph.eliminate_dead_code()
    try:
        with torch.no_grad():
            ShapeProp(graph).propagate(torch.zeros(2, *sample_shape))
    except Exception as error:  # see above
        cause = error.__cause__ or error
        raise TraceError(f"it doesn't take samples of the shape {sample_shape}: {_line(cause)}") from error
    return _Reader(graph, sample_shape).read()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:300]


class _Reader:
    """Reads the nodes of a graph in order."""

    def __init__(self, graph: fx.GraphModule, sample_shape: Shape) -> None:
        self._graph = graph
        self._shape = sample_shape
        self._items: dict[str, _Item] = {}  #: By name.
        self._last: Softmax = ""
        self._used: set[str] = set()  #: Layers with weights.
        self._sources: dict[fx.Node, str] = {}  #: The tensor that each node gives.
        self._modules = dict(graph.named_modules())
        self._calls: dict[str, Callable[[fx.Node], None]] = {
            "relu": self._relu,
            "add": self._add,
            "flatten": self._flatten,
            "max_pool": self._max_pool,
            "mean": self._global_pool,
            "same": self._same,
            "softmax": self._softmax,
        }

    def read(self) -> Traced:
        """All of it."""
        for node in self._graph.graph.nodes:
            match node.op:
                case "placeholder":
                    self._begin(node)
                case "output":
                    return self._result(node)
                case "get_attr":
                    raise self._unsupported(node, f"reads its own tensor {node.target}")
                case _ if _output(node) is None:
                    continue  # a size, a dimension
                case _:
                    self._call(node)
        raise TraceError("it gives nothing")

    # --- nodes --------------------------------------------------------------------------------------------------

    def _begin(self, node: fx.Node) -> None:
        if self._sources:
            raise TraceError(f"its forward takes one tensor; it takes {node.target} as well")
        self._sources[node] = INPUT

    def _call(self, node: fx.Node) -> None:
        layer = self._modules.get(str(node.target)) if node.op == "call_module" else None
        match layer:
            case nn.Conv2d():
                self._conv(node, layer)
            case nn.Linear():
                self._linear(node, layer)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                self._fold(node, layer)
            case nn.MaxPool2d() | nn.AvgPool2d() | nn.AdaptiveAvgPool2d():
                self._pool(node, layer)
            case _:
                word = _word_of(node, layer)
                if word is None:
                    raise self._unsupported(node, f"uses {_said(node, layer)}")
                self._calls[word](node)

    def _conv(self, node: fx.Node, layer: nn.Conv2d) -> None:
        kernel, stride = layer.kernel_size, layer.stride
        sides = {kernel[0] // 2, kernel[-1] // 2}
        padding = sides if layer.padding == "same" else {0} if layer.padding == "valid" else set(layer.padding)
        wrong = [
            (len(set(kernel)) > 1 or kernel[0] % 2 == 0 or kernel[0] > LARGEST_KERNEL, f"kernel_size={kernel}"),
            (padding != sides, f"padding={layer.padding} for kernel_size={kernel}"),
            (len(set(stride)) > 1 or stride[0] not in (1, 2), f"stride={stride}"),
            (set(layer.dilation) != {1}, f"dilation={layer.dilation}"),
            (layer.padding_mode != "zeros", f"padding_mode={layer.padding_mode!r}"),
            (
                layer.groups > 1 and not layer.groups == layer.in_channels == layer.out_channels,
                f"groups={layer.groups} of {layer.in_channels} channels to {layer.out_channels}",
            ),
        ]
        if found := [text for is_wrong, text in wrong if is_wrong]:
            raise self._unsupported(node, f"has a Conv2d with {', '.join(found)}")
        source = self._source(node, "convolves", dimensions=3)
        item = _Item(
            name=self._layer_name(node),
            op="conv",
            inputs=(source,),
            shape=self._shape_of(node),
            kernel=kernel[0],
            stride=stride[0],
            groups=layer.groups,
            weight=layer.weight.detach().double(),
            bias=_bias_of(layer),
        )
        self._append(node, item)

    def _linear(self, node: fx.Node, layer: nn.Linear) -> None:
        source = self._source(node, "applies Linear to", dimensions=1)
        item = _Item(
            name=self._layer_name(node),
            op="linear",
            inputs=(source,),
            shape=self._shape_of(node),
            weight=layer.weight.detach().double(),
            bias=_bias_of(layer),
        )
        self._append(node, item)

    def _fold(self, node: fx.Node, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        item = self._items.get(self._source_of(node))
        before = cast(fx.Node, node.args[0])
        if item is None or item.weight is None or item.bias is None or item.has_relu or len(before.users) > 1:
            raise self._unsupported(node, "has a normalization that doesn't follow a Conv2d or Linear of its own")
        if layer.running_mean is None or layer.running_var is None:
            raise self._unsupported(node, "has a normalization by each batch (track_running_stats=False)")
        factor = (layer.running_var.double() + layer.eps).rsqrt()
        shift = -layer.running_mean.double() * factor
        if layer.affine:
            gamma, beta = layer.weight.detach().double(), layer.bias.detach().double()
            factor, shift = factor * gamma, shift * gamma + beta
        item.weight = item.weight * factor.view(-1, *(1 for _ in item.weight.shape[1:]))
        item.bias = item.bias * factor + shift
        self._sources[node] = item.name

    def _pool(self, node: fx.Node, layer: nn.Module) -> None:
        if isinstance(layer, nn.MaxPool2d):
            given = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
            self._max_pool_of(node, *given, is_ceiled=layer.ceil_mode)
        else:
            self._global_pool(node)

    def _max_pool(self, node: fx.Node) -> None:
        given = dict(zip(("kernel_size", "stride", "padding", "dilation", "ceil_mode"), node.args[1:], strict=False))
        given |= node.kwargs
        size = given.get("kernel_size")
        stride, padding = given.get("stride") or size, given.get("padding", 0)
        self._max_pool_of(
            node, size, stride, padding, given.get("dilation", 1), is_ceiled=bool(given.get("ceil_mode", False))
        )

    def _max_pool_of(
        self, node: fx.Node, size: Any, stride: Any, padding: Any, dilation: Any, *, is_ceiled: bool
    ) -> None:
        expected = ({2}, {2}, {0}, {1})
        if tuple(map(_set_of, (size, stride, padding, dilation))) != expected:
            raise self._unsupported(node, f"has a max pooling of {size} with stride {stride} and padding {padding}")
        source = self._source(node, "pools", dimensions=3)
        sides = self._shape_at(source)[1:]
        if not is_ceiled and any(side % 2 for side in sides):
            text = f"has a max pooling of odd sides {sides} that leaves the last row or column out (ceil_mode=False)"
            raise self._unsupported(node, text)
        self._append(
            node,
            _Item(
                name=self._free_name("max_pool"), op="max_pool", inputs=(source,), shape=self._shape_of(node), kernel=2
            ),
        )

    def _global_pool(self, node: fx.Node) -> None:
        source = self._source(node, "averages", dimensions=3)
        before, after = self._shape_at(source), self._shape_of(node)
        if after not in ((before[0],), (before[0], 1, 1)):
            raise self._unsupported(node, f"averages {before} to {after}, which is no global average pooling")
        base = self._base(source)
        if base is None or not base.has_relu:
            raise self._unsupported(node, "has a global average pooling of what no ReLU has made")
        self._append(
            node, _Item(name=self._free_name("global_pool"), op="global_pool", inputs=(source,), shape=before[:1])
        )

    def _flatten(self, node: fx.Node) -> None:
        source, after = self._source_of(node), self._shape_of(node)
        before = self._shape_at(source)
        if math.prod(after) != math.prod(before) or len(after) != 1:
            if after == (*before, 1, 1) or after == before:
                self._sources[node] = source
                return
            raise self._unsupported(node, f"makes {after} of {before}: only flattening to a vector is supported")
        if len(before) == 1:
            self._sources[node] = source
            return
        self._append(node, _Item(name=self._free_name("flatten"), op="flatten", inputs=(source,), shape=after))

    def _add(self, node: fx.Node) -> None:
        sources = [self._sources.get(one) if isinstance(one, fx.Node) else None for one in node.args]
        alpha = node.kwargs.get("alpha", 1)
        if len(sources) != 2 or None in sources or alpha != 1:
            raise self._unsupported(node, "adds what isn't two tensors of its own")
        first, second = cast("list[str]", sources)
        shapes = [self._shape_at(name) for name in (first, second)]
        if shapes[0] != shapes[1]:
            raise self._unsupported(node, f"adds tensors of the shapes {shapes[0]} and {shapes[1]}")
        if INPUT in (first, second):
            raise self._unsupported(node, "adds its input to something")
        item = _Item(name=self._free_name("add"), op="add", inputs=(first, second), shape=self._shape_of(node))
        self._append(node, item)

    def _relu(self, node: fx.Node) -> None:
        source = self._source_of(node)
        base = self._base(source)
        if base is None:
            raise self._unsupported(node, "applies ReLU to its input")
        if not base.has_relu and base.op != "global_pool":  # averages are of what is at least 0
            at = cast(fx.Node, node.args[0])
            while True:
                if len(at.users) > 1:
                    raise self._unsupported(node, f"applies ReLU to {base.name}, which something reads without it")
                if self._sources[at] == base.name and not self._is_passing(at):
                    break
                at = cast(fx.Node, at.args[0])
            base.has_relu = True
        self._sources[node] = source

    def _same(self, node: fx.Node) -> None:
        self._sources[node] = self._source_of(node)

    def _softmax(self, node: fx.Node) -> None:
        if any(user.op != "output" for user in node.users):
            raise self._unsupported(node, "goes on after a softmax")
        is_log = _said(node, self._modules.get(str(node.target))).lower().startswith("log")
        self._last = "log_softmax" if is_log else "softmax"
        self._same(node)

    # --- what the nodes read ------------------------------------------------------------------------------------

    def _is_passing(self, node: fx.Node) -> bool:
        """Whether a node gives the tensor of the node before it."""
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before not in self._sources:
            return False
        return self._sources[before] == self._sources[node]

    def _source_of(self, node: fx.Node) -> str:
        first = node.args[0] if node.args else None
        if not isinstance(first, fx.Node) or first not in self._sources:
            raise self._unsupported(node, f"gives {_said(node, None)} what is no tensor of its own")
        return self._sources[first]

    def _source(self, node: fx.Node, verb: str, *, dimensions: int) -> str:
        source = self._source_of(node)
        found = self._shape_at(source)
        if len(found) != dimensions:
            wanted = "images (channels, height, width)" if dimensions == 3 else "vectors"
            raise self._unsupported(node, f"{verb} a tensor of the shape {found}, where it takes {wanted}")
        return source

    def _base(self, source: str) -> _Item | None:
        """The operation whose values a tensor holds, moved or chosen; None for the input."""
        while source != INPUT:
            item = self._items[source]
            if item.op not in ("max_pool", "flatten"):
                return item
            source = item.inputs[0]
        return None

    def _shape_at(self, source: str) -> Shape:
        return self._shape if source == INPUT else self._items[source].shape

    def _shape_of(self, node: fx.Node) -> Shape:
        found = _output(node)
        shape = getattr(found, "shape", None)
        if shape is None or not len(shape) or shape[0] != 2:
            raise self._unsupported(node, f"gives {_said(node, None)} of another batch than its input")
        return tuple(int(size) for size in shape[1:])

    def _layer_name(self, node: fx.Node) -> str:
        """The module's name of one of its layers, which it uses once."""
        if node.target in self._used:
            raise self._unsupported(node, f"uses the layer {node.target} twice")
        self._used.add(str(node.target))
        return self._free_name(str(node.target))

    def _free_name(self, name: str) -> str:
        """A name that is one in every form, and that no other tensor has."""
        name = re.sub(r"[^A-Za-z0-9_.]", "_", name)
        name = f"layer{name}" if name[:1].isdigit() else name
        taken = {INPUT, "codes", "head", *self._items}
        free = (one for number in range(len(taken) + 1) if (one := f"{name}_{number}" if number else name) not in taken)
        return next(free)

    def _append(self, node: fx.Node, item: _Item) -> None:
        for source in item.inputs:
            if source != INPUT:
                self._items[source].readers.append(item.name)
        self._items[item.name] = item
        self._sources[node] = item.name

    def _unsupported(self, node: fx.Node, what: str) -> TraceError:
        place = f" (at {node.target})" if node.op == "call_module" else f" (at {node.name})"
        return TraceError(f"it {what}{place}; supported are {SUPPORTED}")

    # --- the result ---------------------------------------------------------------------------------------------

    def _result(self, node: fx.Node) -> Traced:
        given = node.args[0]
        if not isinstance(given, fx.Node) or given not in self._sources:
            raise TraceError("it must give one tensor of (batch, outputs)")
        if not self._items:
            raise TraceError("it computes nothing")
        *hidden, head = self._items.values()
        if head.op != "linear" or head.has_relu or self._sources[given] != head.name:
            last = f"{head.op}{' with a ReLU' * head.has_relu} ({head.name})"
            raise TraceError(f"its last layer must be a Linear, whose outputs are the module's; got {last}")
        items = [*hidden, replace(head, name="head")]
        weighted = [item for item in items if item.weight is not None and item.bias is not None]
        return Traced(
            layers=(*(self._layer(item) for item in hidden), Layer(kind="linear", width=head.shape[0])),
            weights=tuple(_array(item.weight) for item in weighted),
            biases=tuple(_array(item.bias) for item in weighted),
            softmax=self._last,
        )

    def _layer(self, item: _Item) -> Layer:
        readers = {self._items[name].op for name in item.readers}
        is_branch = item.op in ("conv", "linear") and not item.has_relu and readers == {"add"}
        return traced_layer(
            item.name,
            item.op,
            item.inputs,
            width=item.shape[0],
            kernel=item.kernel,
            stride=item.stride,
            groups=item.groups,
            has_relu=item.has_relu,
            is_branch=is_branch,
        )


# --- what is called ---------------------------------------------------------------------------------------------

_FUNCTIONS: Final[Mapping[Any, str]] = {
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_), "relu"),
    **dict.fromkeys((operator.add, operator.iadd, torch.add), "add"),
    **dict.fromkeys((torch.flatten, torch.squeeze, torch.reshape), "flatten"),
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), "max_pool"),
    **dict.fromkeys((F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean), "mean"),
    **dict.fromkeys((F.dropout, F.dropout2d), "same"),
    **dict.fromkeys((F.softmax, F.log_softmax, torch.softmax, torch.log_softmax), "softmax"),
}
_METHODS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("relu", "relu_"), "relu"),
    **dict.fromkeys(("add", "add_"), "add"),
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze"), "flatten"),
    "mean": "mean",
    "contiguous": "same",
    **dict.fromkeys(("softmax", "log_softmax"), "softmax"),
}
_LAYERS: Final[Mapping[type[nn.Module], str]] = {
    nn.ReLU: "relu",
    nn.Flatten: "flatten",
    nn.Dropout: "same",
    nn.Dropout2d: "same",
    nn.Identity: "same",
    nn.Softmax: "softmax",
    nn.LogSoftmax: "softmax",
}


def _word_of(node: fx.Node, layer: nn.Module | None) -> str | None:
    if layer is not None:
        return _LAYERS.get(type(layer))
    return _METHODS.get(str(node.target)) if node.op == "call_method" else _FUNCTIONS.get(node.target)


def _said(node: fx.Node, layer: nn.Module | None) -> str:
    if layer is not None:
        return type(layer).__name__
    return str(node.target) if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def _output(node: fx.Node) -> Any:
    """The shape and type of what a node gives; None of what is no tensor."""
    return node.meta.get("tensor_meta")


def _set_of(value: Any) -> set[Any]:
    return set(value) if isinstance(value, tuple | list) else {value}


def _bias_of(layer: nn.Conv2d | nn.Linear) -> Tensor:
    return (
        layer.weight.new_zeros(layer.weight.shape[0]).double() if layer.bias is None else layer.bias.detach().double()
    )


def _array(tensor: Tensor | None) -> NDArray[np.float32]:
    assert tensor is not None
    return np.ascontiguousarray(tensor.numpy().astype(np.float32))
