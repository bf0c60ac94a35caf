"""Whether the effect that a kind computes says the same as the steps of its layers."""

import itertools

from gasearch_workers.network.compression import Compression, LayerShape

COMPRESSIONS = [
    Compression(sparsity, is_structured, rank)
    for sparsity, is_structured, rank in itertools.product((0.0, 0.1, 0.5, 0.9), (True, False), (1.0, 0.5, 0.1))
]
SHAPES = [
    {"width": width, "kernel": kernel, "weight_bits": bits, "has_sides": has_sides, "full": full, "kept": kept}
    for width, kernel, bits, has_sides in itertools.product((1, 8, 24), (1, 3), (2, 8), (True, False))
    for full, kept in ((8, 8), (8, 4), (1, 1))
]


def require_same_effects(kind, *, heads=1):
    """Choices make the same layer by the one exactly where they do by the other."""
    for shape in SHAPES:
        layer = LayerShape(kind=kind.name, heads=heads, **shape)
        computed = [kind.effect_of(compression, layer) for compression in COMPRESSIONS]
        traced = [kind.traced(compression, layer) for compression in COMPRESSIONS]
        if traced[0][2:] != ("no such layer",):
            assert [one[:2] for one in computed] == [one[:2] for one in traced], layer
            assert _groups(computed) == _groups(traced), layer


def _groups(effects):
    """For each the first one that equals it."""
    return [effects.index(effect) for effect in effects]
