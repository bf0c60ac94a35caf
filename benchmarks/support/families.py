"""A small network and a dataset for each family, and one way to train them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gasearch_workers.data import DataOptions, load_dataset
from gasearch_workers.data.dataset import Dataset
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.data.options import DEFAULTS
from gasearch_workers.messages import NUMERIC_KINDS, Blueprint, Fidelity, Layer, Recipe
from gasearch_workers.modules.build import Network, build
from gasearch_workers.network.plan import plan
from gasearch_workers.training.resident import ResidentData
from gasearch_workers.training.train import train

HOW_TO_GIVE_DATA = (
    "further data under a folder given by --data as mnist/mnist.npz, adult/adult.csv.gz, sst2/{train,dev,test}.tsv, "
    "wnut17/{train,dev,test.annotated}.conll, movielens_small/ratings.csv.gz; what is missing there is left out"
)
RECIPE = Recipe(epochs=4, batch_size=64, learning_rate=0.003)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A family's small network on a dataset."""

    name: str
    family: str
    source: str  #: A built-in dataset, or a path under the folder of data.
    hidden: tuple[Layer, ...]  #: Without precisions.
    options: DataOptions = DEFAULTS
    recipe: Recipe = RECIPE

    def blueprint(self, data: Dataset, weight_bits: int, activation_bits: int) -> Blueprint:
        """The network, every layer at the same precision."""
        layers = [
            dataclasses.replace(layer, weight_bits=weight_bits, activation_bits=activation_bits)
            for layer in self.hidden
        ]
        head = Layer(kind="linear", width=data.outputs, weight_bits=weight_bits)
        return Blueprint(
            family=self.family,
            input_shape=data.input_shape,
            layers=(*layers, head),
            categories=data.categories,
            is_regression=data.kind in NUMERIC_KINDS,
        )


def _convolutions(*widths: int) -> tuple[Layer, ...]:
    return tuple(
        Layer(kind="conv", width=width, kernel=3, stride=1 if number == 0 else 2) for number, width in enumerate(widths)
    )


def _dense(*widths: int) -> tuple[Layer, ...]:
    return tuple(Layer(kind="linear", width=width) for width in widths)


def _words(width: int) -> Layer:
    return Layer(kind="embedding", width=width, rows=5_000)


_TEXT = DataOptions(length=32)
_SENTENCES = "sst2"
CASES = (
    Case(name="cnn, digits", family="cnn", source="digits", hidden=_convolutions(16, 32)),
    Case(name="cnn, images", family="cnn", source="mnist/mnist.npz", hidden=_convolutions(16, 32, 64)),
    Case(name="mlp, images", family="mlp", source="mnist/mnist.npz", hidden=_dense(64, 64)),
    Case(
        name="mlp, regression",
        family="mlp",
        source="diabetes",
        hidden=_dense(32, 32),
        recipe=Recipe(epochs=40, batch_size=32, learning_rate=0.003),
    ),
    Case(
        name="mlp, table with codes",
        family="mlp",
        source="adult/adult.csv.gz",
        hidden=(Layer(kind="embedding", width=4), *_dense(64)),
        options=DataOptions(target="income-per-year"),
    ),
    Case(name="text, pooled", family="text", source=_SENTENCES, hidden=(_words(32), *_dense(32)), options=_TEXT),
    Case(
        name="text, convolution",
        family="text",
        source=_SENTENCES,
        hidden=(_words(32), Layer(kind="conv1d", width=64, kernel=3)),
        options=_TEXT,
    ),
    Case(
        name="text, gru",
        family="text",
        source=_SENTENCES,
        hidden=(_words(32), Layer(kind="gru", width=24)),
        options=_TEXT,
    ),
    Case(
        name="transformer",
        family="transformer",
        source=_SENTENCES,
        hidden=(_words(32), Layer(kind="transformer", width=64, heads=4)),
        options=_TEXT,
    ),
    Case(
        name="tagger",
        family="tagger",
        source="wnut17",
        hidden=(_words(32), Layer(kind="conv1d", width=64, kernel=3)),
        options=_TEXT,
        recipe=Recipe(epochs=8, batch_size=32, learning_rate=0.003),
    ),
    Case(
        name="recommender",
        family="recommender",
        source="movielens_small/ratings.csv.gz",
        hidden=(Layer(kind="embedding", width=16), *_dense(32)),
        recipe=Recipe(epochs=4, batch_size=128, learning_rate=0.003),
    ),
)


def available(folder: Path | None) -> Iterator[tuple[Case, Dataset]]:
    """Each case whose data are there, with the data."""
    loaded: dict[tuple[str, DataOptions], Dataset] = {}
    for case in CASES:
        source = case.source
        if case.source not in ("digits", "diabetes"):
            if folder is None or not (folder / case.source).exists():
                continue
            source = str(folder / case.source)
        key = (source, case.options)
        if key not in loaded:
            loaded[key] = load_dataset(source, case.options)
        yield case, loaded[key]


def make(
    case: Case, data: Dataset, weight_bits: int, activation_bits: int, *, seed: int = 0, is_full_range: bool = False
) -> Network:
    """The case's network, untrained."""
    steps = plan(case.blueprint(data, weight_bits, activation_bits))
    transform = fit_input(
        data.train.x,
        input_bits=steps.input_bits,
        input_kind=steps.input_kind,
        categories=len(steps.categories),
    )
    target = (data.target_mean, data.target_deviation)
    return build(steps, transform, seed=seed, target=target, is_full_range=is_full_range)


def fit(network: Network, case: Case, resident: ResidentData, *, share: float = 1.0, seed: int = 0) -> None:
    """Train by the case's recipe."""
    fidelity = Fidelity(epochs=case.recipe.epochs, data_share=share)
    train(network, resident.train, case.recipe, fidelity=fidelity, seed=seed)


def share_of(data: Dataset, samples: int) -> float:
    """The share of the training split that is so many samples, at most all."""
    return min(1.0, samples / len(data.train))
