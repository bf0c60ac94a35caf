"""Known networks as genomes: the designs that a search begins with, and networks of other searches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gasearch_workers.messages import LAYER_FIELDS, Choices, Layer, Network, Scalar
from gasearch_workers.network.families import FAMILIES

from gasearch.errors import SpecError
from gasearch.objectives.constraints import Limit
from gasearch.objectives.units import format_quantity
from gasearch.space.bit_widths import bits_of
from gasearch.space.costs import NetworkCosts
from gasearch.space.decisions import Decision, Space
from gasearch.space.decode import network_of
from gasearch.space.genome import Genome, make_genome
from gasearch.spec.explain import Path, Problem, advised, nearest, path_text, show
from gasearch.spec.spaces import same_choice

MAX_SHOWN = 20  #: Options that an error lists.

#: The values of a layer of which its space decides nothing, save its kind.
_UNDECIDED: Final[dict[str, Scalar]] = {"sparsity": 0.0, "pruning": "structured", "rank": 1.0, "downsample": "stride"}


def starting_genomes(
    designs: Sequence[Mapping[str, Any]],
    limits: Sequence[Limit],
    space: Space,
    operators: Sequence[str] | None = None,
) -> tuple[Genome, ...]:
    """The genomes of the designs in their order, each network once.

    Args:
        designs: `start.designs` of the spec.
        limits: Of the spec.
        space: What may be proposed.
        operators: All that the target has; None: whatever a network needs.

    Raises:
        SpecError: with every problem on a line of its own: what a design has that the space hasn't, limits that it
            misses by arithmetic, and operators that the target lacks.
    """
    found: dict[str, Genome] = {}
    costs = NetworkCosts(space)
    problems: list[str] = []
    for number, design in enumerate(designs):
        path = ("start", "designs", number)
        try:
            genome = encode(design, space, path)
        except SpecError as error:
            problems.append(str(error))
            continue
        found.setdefault(genome.key, genome)
        known = costs.of(genome)  # of a custom space nothing: its limits are for its evaluator
        for limit in limits:
            if limit.metric in known and not limit.is_met(known[limit.metric]):
                has = f"{limit.metric} {format_quantity(known[limit.metric], limit.metric, digits=6)}"
                text = f'the network has {has}, which misses "{limit}": change it or the limit'
                problems.append(f"{path_text(path)}: {text}")
        lacking = [] if operators is None else [name for name in costs.operators(genome) if name not in operators]
        if lacking:
            problems.append(f"{path_text(path)}: the network needs {', '.join(lacking)}, which target.operators lacks")
    if problems:
        raise SpecError("\n".join(problems))
    return tuple(found.values())


def encode(design: Mapping[str, Any], space: Space, path: Path = ()) -> Genome:
    """The genome of a network that a person wrote down.

    In a custom space, and in one of bits, a design maps decisions to choices. In a space of layers it has `layers`, a
    list with a mapping per layer, `head`, `embedding` and what else is decided once, with the keys of the space. What
    has one option may be left out, and so may what doesn't express; compression that is left out is none, where the
    space offers that.

    Args:
        design: The network.
        space: What may be proposed.
        path: Where the design stands in the spec.

    Raises:
        SpecError: with every problem on a line of its own.
    """
    genes, problems = _Design(space, path).read(design)
    if problems:
        raise SpecError("\n".join(map(str, problems)))
    return make_genome(genes, space)


def encode_network(network: Network, space: Space) -> Genome | None:
    """The genome of a network of this or another search: what `decode` makes it of. None where the space has none."""
    values = _values_in(network, space)
    genes = _choose(space, lambda decision, is_needed: _option(decision, values.get(decision.name)) if is_needed else 0)
    known = [gene for gene in genes if gene is not None]
    if len(known) < len(genes):
        return None
    made = network_of(space.conditioned(known), space)
    if isinstance(made, Choices) and isinstance(network, Choices):  # a store doesn't keep the order of choices
        is_same = made.as_dict().keys() == network.as_dict().keys()
    else:
        is_same = made == network
    return make_genome(known, space) if is_same else None


def _values_in(network: Network, space: Space) -> Mapping[str, Scalar]:
    """The names that the decisions of a space would have, with their values in a network."""
    if isinstance(network, Choices):
        return network.as_dict()
    return _values_of(network.layers, space) if space.trained is None else bits_of(network)


def _choose(space: Space, option_of: Callable[[Decision, bool], int | None]) -> list[int | None]:
    """An option per decision, chosen one after the other, each by the decision and whether it expresses."""
    genes: list[int | None] = []
    flags: list[bool] = []
    for decision, needs in zip(space.decisions, space.needs, strict=True):
        flags.append(all(flags[other] and genes[other] in options for other, options in needs))
        genes.append(option_of(decision, flags[-1]))
    return genes


def _values_of(layers: Sequence[Layer], space: Space) -> dict[str, Scalar]:
    """The names that the decisions of a space would have, with their values in these layers."""
    *hidden, head = layers
    values: dict[str, Scalar] = {}
    named = {"head": head}
    if hidden and hidden[0].kind == "embedding":
        named["embedding"] = hidden.pop(0)
        values["vocabulary"] = named["embedding"].rows
    named |= {f"layer{number}": layer for number, layer in enumerate(hidden)}
    values["depth"] = len(hidden)
    if hidden and space.kinds:
        values["encoder"] = FAMILIES.get(space.family).encoder_of(hidden[0].kind)
    for name, layer in named.items():
        values |= {f"{name}.{field}": getattr(layer, field) for field in LAYER_FIELDS}
        values |= {f"{name}.{extra}": value for extra, value in layer.extras}
    return values


def _option(decision: Decision, value: object) -> int | None:
    """The index of the option that a value is; None where it is none."""
    return next((index for index, option in enumerate(decision.options) if same_choice(option, value)), None)


# --- designs ----------------------------------------------------------------------------------------------------


class _Given(NamedTuple):
    """A value of a design, and where it stands."""

    value: object
    path: Path


class _Design:
    """Reads one design; collects whatever is wrong with it."""

    def __init__(self, space: Space, path: Path) -> None:
        self._space, self._path = space, path
        self._is_flat = space.data is None or space.trained is not None  #: Whether it names decisions as they are.
        self._given: dict[str, _Given] = {}  #: By the name of the decision.
        self._kinds: list[_Given] = []  #: Of layers, where the space decides none.
        self._problems: list[Problem] = []
        self._options = {decision.name: decision.options for decision in space.decisions}

    def read(self, design: object) -> tuple[list[int], list[Problem]]:
        """The genes, and the problems without which they mean something."""
        if self._is_flat:
            self._take(design, self._path, "", list(self._options))
        else:
            self._take_layered(design)
        if self._problems:
            return [], self._problems
        genes = [gene or 0 for gene in _choose(self._space, self._gene)]
        self._check_kinds(genes)
        return genes, self._problems

    # --- what is given ---

    def _take(self, content: object, path: Path, layer: str, names: Sequence[str]) -> None:
        """Take the values of one mapping."""
        for name, value in self._items(content, path, names):
            given, decision = _Given(value, (*path, name)), f"{layer}.{name}" if layer else name
            if decision in self._options:
                self._given[decision] = given
            elif name == "kind":
                self._kinds.append(given)
            elif not same_choice(_UNDECIDED[name], value):
                self._complain(given.path, _no_option(value, (_UNDECIDED[name],)))

    def _take_layered(self, design: object) -> None:
        """Take the values of layers, head, embedding and network."""
        parts = list(dict.fromkeys(layer for layer, _ in self._space.name_parts))
        sections = [part for part in parts if part in ("embedding", "head")]
        once = [name for layer, name in self._space.name_parts if not layer and name != "depth"]
        for name, value in self._items(design, self._path, ["layers", *once, *sections]):
            path = (*self._path, name)
            if name == "layers":
                self._take_layers(value, path)
            elif name in sections:
                self._take(value, path, name, [own for layer, own in self._space.name_parts if layer == name])
            else:
                words = self._space.data.categories[0] if self._space.data and name == "vocabulary" else math.inf
                # a vocabulary beyond the words of the data is that of all the words, as in the space
                self._given[name] = _Given(words if isinstance(value, int) and value > words else value, path)
        if "depth" not in self._given and not self._problems and len(self._options["depth"]) > 1:
            self._complain((*self._path, "layers"), f"is required: a list of {self._depths()} mappings, one per layer")
        if "encoder" not in self._given and self._kinds and "encoder" in self._options:
            kind = self._kinds[0]
            encoder = FAMILIES.get(self._space.family).encoder_of(str(kind.value))
            self._given["encoder"] = _Given(encoder or kind.value, kind.path)

    def _take_layers(self, layers: object, path: Path) -> None:
        if not isinstance(layers, list | tuple):
            self._complain(path, f"must be a list of {self._depths()} mappings, one per layer; got {show(layers)}")
            return
        if len(layers) not in self._options["depth"]:
            self._complain(path, f"has {len(layers)} layers; the space has {self._depths()}")
            return
        self._given["depth"] = _Given(len(layers), path)
        for number, layer in enumerate(layers):
            decided = [name for owner, name in self._space.name_parts if owner == f"layer{number}"]
            undecided = [name for name in _UNDECIDED if name != "downsample" or self._space.halves_images]
            names = list(dict.fromkeys(["kind", *decided, *undecided]))
            self._take(layer, (*path, number), f"layer{number}", names)

    def _items(self, content: object, path: Path, names: Sequence[str]) -> Iterator[tuple[str, object]]:
        """The keys and values of a mapping, those that are known."""
        if not isinstance(content, Mapping):
            self._complain(path, f"must be a mapping with {', '.join(names)}; got {show(content)}")
            return
        for name, value in content.items():
            if name in names:
                yield name, value
            else:
                known = f"known here: {', '.join(names[:MAX_SHOWN])}{', ...' if len(names) > MAX_SHOWN else ''}"
                self._complain((*path, str(name)), advised("unknown key", nearest(str(name), names), known))

    def _depths(self) -> str:
        fewest, most = self._options["depth"][0], self._options["depth"][-1]
        return str(fewest) if fewest == most else f"{fewest} to {most}"

    # --- what it means ---

    def _gene(self, decision: Decision, is_needed: bool) -> int:
        """The option that the design takes; 0 where none is needed."""
        given = self._given.get(decision.name)
        if given is not None:
            option = _option(decision, given.value)
            if option is None:
                self._complain(given.path, _no_option(given.value, decision.options))
            return option or 0
        if not is_needed or len(decision.options) == 1:
            return 0
        if decision.neutral is not None and decision.neutral in decision.options:
            return decision.options.index(decision.neutral)
        self._complain(self._place(decision.name), f"is required: one of {_listed(decision.options)}")
        return 0

    def _check_kinds(self, genes: Sequence[int]) -> None:
        """Complain of layers that are of another kind than the family or the encoder makes them."""
        if self._problems or not self._kinds:
            return
        names = list(self._options)
        encoder = self._options["encoder"][genes[names.index("encoder")]] if "encoder" in names else ""
        kind = FAMILIES.get(self._space.family).kind_of(str(encoder))
        for given in self._kinds:
            if given.value != kind:
                maker = f"encoder {encoder}" if encoder else f"family {self._space.family}"
                self._complain(given.path, f"{show(given.value)} is no option; {maker} has {show(kind)}")

    def _place(self, name: str) -> Path:
        """The place where the value of a decision would stand."""
        layer, _, own = ("", "", name) if self._is_flat else name.rpartition(".")
        if layer.startswith("layer"):
            return (*self._path, "layers", int(layer.removeprefix("layer")), own)
        return (*self._path, layer, own) if layer else (*self._path, own)

    def _complain(self, path: Path, text: str) -> None:
        self._problems.append(Problem(path=path, text=text))


def _no_option(value: object, options: Sequence[Scalar]) -> str:
    return advised(f"{show(value)} is no option", nearest(value, options), f"it has {_listed(options)}")


def _listed(options: Sequence[Scalar]) -> str:
    return f"{', '.join(map(show, options[:MAX_SHOWN]))}{', ...' if len(options) > MAX_SHOWN else ''}"
