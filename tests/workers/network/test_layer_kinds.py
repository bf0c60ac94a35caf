"""The kinds of layers that there are, and one that a package adds."""

import pytest
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.compression import Compression, LayerShape
from gasearch_workers.network.layer_kinds import KINDS, LayerKind
from gasearch_workers.network.plan import PlanError, plan
from gasearch_workers.network.registry import UnknownName


def test_every_module_of_kinds_is_found():
    assert set(KINDS.own) == {
        "conv", "separable", "residual", "linear", "conv1d", "gru", "transformer", "embedding", "traced",
    }  # fmt: skip


def test_a_kind_without_an_effect_has_that_of_its_steps():
    def add(builder, name, layer):
        builder.add_matrix(name, layer, op="linear", width=layer.width, kept=builder.kept(layer.width, layer))

    kind = LayerKind(name="plain", add=add)
    layer = LayerShape("plain", 8, 1, 1, 8, True, 4, 4)
    whole, half = (kind.effect_of(Compression(share, True, 1.0), layer) for share in (0.0, 0.5))
    assert (whole[:2], half[:2]) == ((8, 8), (8, 4))
    assert kind.effect_of(Compression(0.01, True, 1.0), layer) == whole  # 7.9 of 8 units are 8


def test_a_layer_of_an_unknown_kind_is_refused_with_the_kinds_there_are():
    network = Blueprint(
        family="mlp", input_shape=(4,), layers=(Layer(kind="dense", width=4), Layer(kind="linear", width=2))
    )
    with pytest.raises(UnknownName, match=r"there is no kind of layer 'dense'; there are conv, separable, residual, "):
        plan(network)


def test_a_layer_says_which_input_its_kind_needs():
    network = Blueprint(
        family="mlp", input_shape=(4,), layers=(Layer(kind="gru", width=4), Layer(kind="linear", width=2))
    )
    with pytest.raises(PlanError, match=r"layer0: gru needs an input of \(tokens, features\); got \(4,\)"):
        plan(network)
