"""The `space` section of a spec: one model per family."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any, Literal, Self

from gasearch_workers.messages import Downsampling, Pruning
from gasearch_workers.network.families import FAMILIES
from gasearch_workers.network.layer_kinds import KINDS
from gasearch_workers.network.registry import UnknownName, load_packages
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from gasearch.spec import fields
from gasearch.spec.explain import Problem, advised, explain, nearest, problems_error, show, unknown_word
from gasearch.spec.fields import Section

MAX_DECISIONS = 1000
_DECISION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")


def _words(*words: str) -> AfterValidator:
    """Distinct words in this order, however they are written."""
    return AfterValidator(lambda values: tuple(sorted(fields.distinct(values), key=words.index)))


def _kind_of_cnn(name: object) -> object:
    """A kind of layer that a cnn may have: one of its own, or one that a package adds to it."""
    family = FAMILIES.get("cnn")
    with suppress(UnknownName):
        if isinstance(name, str) and family.may_have(KINDS.get(name)):
            return name
    raise problems_error([Problem(path=(), text=unknown_word(name, family.kinds))])


def _in_order_of_genes(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The family's own in its order, then those that packages add."""
    own = FAMILIES.get("cnn").kinds
    return tuple(sorted(fields.distinct(kinds), key=lambda kind: (own.index(kind) if kind in own else len(own), kind)))


_List = BeforeValidator(fields.as_list)
Kinds = Annotated[tuple[Annotated[str, BeforeValidator(_kind_of_cnn)], ...], _List, AfterValidator(_in_order_of_genes)]
Downsamplings = Annotated[tuple[Downsampling, ...], _List, _words("stride", "max_pool")]
Prunings = Annotated[tuple[Pruning, ...], _List, _words("structured", "unstructured")]
TextEncoders = Annotated[tuple[Literal["pool", "conv", "gru"], ...], _List, _words("pool", "conv", "gru")]
TaggerEncoders = Annotated[tuple[Literal["gru", "transformer"], ...], _List, _words("gru", "transformer")]


class LayeredSpace(Section):
    """The keys that families made of layers share: every list holds the options of one decision per layer."""

    family: str
    layers: fields.LayerRange  #: Fewest and most layers before the head.
    width: fields.Widths  #: Output features or channels.
    weight_bits: fields.BitWidths = (8,)
    activation_bits: fields.ActivationBits = (8,)
    sparsity: fields.Sparsities = (0.0,)  #: Shares removed of channels, heads and units, or of weights.
    pruning: Prunings = Field(default=("structured",), description="a list of structured, unstructured")
    rank: fields.Ranks = (1.0,)  #: Shares of the full rank.


class MlpSpace(LayeredSpace):
    """Dense layers; on a table with columns of categories, over a vector for each of these."""

    family: Literal["mlp"]
    embedding: fields.Widths = (4, 8)  #: Length of a category's vector, decided once.


class CnnSpace(LayeredSpace):
    """Convolutional blocks on images, then a dense head over their averages."""

    family: Literal["cnn"]
    layers: fields.LayerRangeFromOne
    kind: Kinds = Field(default=("conv",), description="a list of conv, separable, residual")
    kernel: fields.Kernels = (3,)  #: Side of the square kernel.
    downsample: Downsamplings = Field(default=("stride",), description="a list of stride, max_pool")


class TokenSpace(LayeredSpace):
    """The keys that families on tokens share: a vector for each of the most frequent words."""

    embedding: fields.Widths = (16, 32)  #: Length of a word's vector, decided once.
    vocabulary: fields.Sizes = (2000, 5000, 10_000)  #: Words that have one, decided once.


class TextSpace(TokenSpace):
    """Sentences: a dense network over the words' mean, convolutions over neighbours, or recurrent layers."""

    family: Literal["text"]
    encoder: TextEncoders = Field(default=("pool", "conv", "gru"), description="a list of pool, conv, gru")
    kernel: fields.Kernels = (3,)  #: Words that a convolution spans.


class TransformerSpace(TokenSpace):
    """Sentences by self-attention; the width is that of the dense layers within."""

    family: Literal["transformer"]
    heads: fields.Heads = (2,)


class TaggerSpace(TokenSpace):
    """A tag for each word, by recurrent layers or self-attention."""

    family: Literal["tagger"]
    encoder: TaggerEncoders = Field(default=("gru", "transformer"), description="a list of gru, transformer")
    heads: fields.Heads = (2,)  #: Of a transformer.


class RecommenderSpace(LayeredSpace):
    """A rating from a vector for the user and one for the item; without layers a matrix factorization."""

    family: Literal["recommender"]
    embedding: fields.Widths = (8, 16, 32)  #: Length of the vectors, decided once.


def _as_numbers(value: object) -> object:
    numbers = value if isinstance(value, list | tuple) else (value,)
    if not all(map(fields.is_number, numbers)):
        raise fields.not_allowed()
    return tuple(map(float, numbers))


_Normalization = Annotated[tuple[float, ...], BeforeValidator(_as_numbers)]


class BitsSpace(Section):
    """The bits of each layer of a trained network of the user's, whose weights every network begins with."""

    family: Literal["bits"]
    module: str = fields.text(..., **fields.FUNCTION)  #: Makes the torch module.
    weights: str = fields.text(..., "the path of a safetensors file with the module's state_dict")
    #: The module takes (x - mean) / deviation of the data's numbers; (): 0, and 255 for images or 1 for tables.
    mean: _Normalization = Field(default=(), description="a number, or for a table a list of one per column")
    deviation: _Normalization = Field(default=(), description="a number above 0, or for a table a list of such")
    weight_bits: fields.BitWidths = (2, 3, 4, 6, 8)  #: Options of each layer that has weights.
    activation_bits: fields.ActivationBits = (8,)  #: Of each tensor that has a precision of its own.
    shared_activations: bool = fields.flag(False)  #: Whether one choice of them is for all tensors.

    @model_validator(mode="after")
    def _check_deviation(self) -> Self:
        if any(value <= 0 for value in self.deviation):
            text = f"what is divided by is above 0; got {show(list(self.deviation))}"
            raise problems_error([Problem(path=("deviation",), text=text)])
        return self


class DecisionSpec(Section):
    """One decision of a custom space, and the earlier choices under which it is made."""

    choices: fields.Choices
    when: dict[str, fields.Choices] = Field(
        default={}, description="a mapping of earlier decisions to lists of their choices"
    )


class CustomSpace(Section):
    """The user's own decisions, in the order of the spec."""

    family: Literal["custom"]
    decisions: dict[str, DecisionSpec] = Field(
        min_length=1, max_length=MAX_DECISIONS, description="a mapping of decision names to {choices: [...]}"
    )

    @model_validator(mode="after")
    def _check_decisions(self) -> Self:
        allowed = "up to 63 letters, digits, . _ - that begin with a letter or _"
        problems = [
            Problem(path=("decisions", name), text=f"the name of a decision is {allowed}; got {show(name)}")
            for name in self.decisions
            if not _DECISION_NAME.fullmatch(name)
        ]
        problems += _wrong_conditions(self.decisions)
        if problems:
            raise problems_error(problems)
        return self


def _by_family(content: object, validated: ValidatorFunctionWrapHandler) -> Any:
    """A section as the model of its family reads it: an added family names its own."""
    family = content.get("family") if isinstance(content, dict) else getattr(content, "family", None)
    if not isinstance(family, str) or family == "custom" or family in FAMILIES.own:
        return validated(content)
    try:
        module, _, name = FAMILIES.get(family).space.partition(":")
    except UnknownName:
        _, broken = load_packages()
        known = [*FAMILIES.own, "custom", *(name for name in FAMILIES.names() if name not in FAMILIES.own)]
        text = "; ".join([unknown_word(family, known), *broken])
        raise problems_error([Problem(path=("family",), text=text)]) from None
    model: type[LayeredSpace] = getattr(import_module(module), name)
    try:
        return content if isinstance(content, model) else model.model_validate(content)
    except ValidationError as error:
        raise problems_error(explain(error, model)) from error


#: The `space` section of a spec.
AnySpace = Annotated[
    MlpSpace | CnnSpace | TextSpace | TransformerSpace | TaggerSpace | RecommenderSpace | BitsSpace | CustomSpace,
    Field(discriminator="family"),
    WrapValidator(_by_family),
    SerializeAsAny(),
]


def same_choice(one: object, other: object) -> bool:
    """True if two choices are the same; `true` and 1 are not."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _wrong_conditions(decisions: Mapping[str, DecisionSpec]) -> Iterator[Problem]:
    names = list(decisions)
    for position, (name, decision) in enumerate(decisions.items()):
        for needed, wanted in decision.when.items():
            path = ("decisions", name, "when", needed)
            if needed not in decisions:
                known = f"known are {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"
                yield Problem(path=path, text=f"there is no such decision{nearest(needed, names)} {known}")
            elif needed == name:
                yield Problem(path=path, text="a decision can't be a condition of itself")
            elif names.index(needed) > position:
                yield Problem(path=path, text=_too_late(name, needed, decisions))
            else:
                has = decisions[needed].choices
                for choice in wanted:
                    if not any(same_choice(choice, other) for other in has):
                        complaint = f"{show(choice)} is no choice of {needed}"
                        text = advised(complaint, nearest(choice, has), f"it has {show(has)}")
                        yield Problem(path=path, text=text)


def _too_late(name: str, needed: str, decisions: Mapping[str, DecisionSpec]) -> str:
    circle = _way(needed, name, decisions)
    if circle:
        return f"the conditions go in a circle: {' -> '.join([name, *circle])}"
    return f"is decided after {name}: a condition names an earlier decision, so move {needed} up"


def _way(start: str, end: str, decisions: Mapping[str, DecisionSpec]) -> list[str]:
    """The decisions from `start` to `end` along conditions; [] if no way leads there."""
    ways, seen = [[start]], {start}
    for way in ways:
        if way[-1] == end:
            return way
        for following in decisions[way[-1]].when:
            if following in decisions and following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []
