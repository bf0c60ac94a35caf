"""What families say of their data and layers."""

import pytest
from gasearch_workers.network.families import FAMILIES
from gasearch_workers.network.layer_kinds import KINDS


@pytest.mark.parametrize(
    ("family", "shape", "kind"),
    [
        ("mlp", (12,), "table"),
        ("mlp", (1, 8, 8), "image"),
        ("cnn", (3, 32, 32), "image"),
        ("text", (64,), "tokens"),
        ("tagger", (64, 2), "tokens"),
        ("recommender", (2,), "ids"),
    ],
)
def test_a_sample_is_known_by_the_family_and_its_shape(family, shape, kind):
    assert FAMILIES.get(family).input_kind(shape) == kind


def test_encoders_and_kinds_name_each_other():
    for family in FAMILIES.own.values():
        for encoder in family.encoders:
            assert family.encoder_of(family.kind_of(encoder)) == encoder
    assert FAMILIES.get("text").encoder_of("residual") == ""
    assert FAMILIES.get("mlp").kind_of() == "linear"


def test_a_family_has_its_own_kinds_of_layers_only():
    cnn = FAMILIES.get("cnn")
    assert [cnn.may_have(KINDS.get(kind)) for kind in ("residual", "gru")] == [True, False]
