"""Commented specs to begin with."""

from __future__ import annotations

from typing import Final

from gasearch.errors import BadInput

_LAYERED: Final = """\
# A search for small quantized networks. Check it: gasearch check SPEC; run it: gasearch run SPEC
name: {family}-search
seed: 1                              # the same seed gives the same search

task:
  dataset: digits                    # embedded; or the path of an .npz file, or of IDX images

space:
  family: {family}
  layers: [1, 4]                     # fewest, most; the head comes on top
  width: [8, 16, 24, 32, 48, 64]     # {width}
{kinds}  weight_bits: [2, 3, 4, 6, 8]       # per layer; 32 is float
  activation_bits: [4, 8]

objectives:                          # max or min; the result is the best compromises between them
  accuracy: max                      # of the quantized network, on data that it was not trained on
  model_bytes: min                   # of the packed file
  latency_ms: min                    # measured on this machine, one sample at a time

constraints:                         # units: KB, MB, KiB, MiB; us, ms, s; K, M, G; %
  - model_bytes <= 64 KB

recipe:
  epochs: 6
  batch_size: 64
  optimizer: adam                    # adam, adamw or sgd
  learning_rate: 0.005

evolution:
  algorithm: nsga2
  population: 20

budget:
  evaluations: 120
  # hours: 1                         # whichever ends first

workers:
  count: auto                        # one per core; 0 evaluates in the controller's own process
  cpus: 1                            # per worker
  # gpus: 0.25                       # per worker: four share one
"""

_KINDS: Final = """\
  kernel: [3, 5]                     # side of the convolutions
  kind: [conv, separable, residual]  # what a layer may be
"""

_CUSTOM: Final = """\
# A search over your own decisions, each evaluated by your own function.
name: custom-search
seed: 1

task:
  # A function of an installed module (or of one on PYTHONPATH):
  #   def evaluate(choices, budget, report):        # choices: {"activation": "relu", "units": 16, ...}
  #       return {"error": 0.1, "latency_ms": 2.0}  # every metric that the objectives and constraints name
  evaluator: mypackage.mymodule:evaluate

space:
  family: custom
  decisions:                         # numbers are sorted: neighbours are alike
    activation: {choices: [relu, gelu, leaky]}
    slope: {choices: [0.01, 0.1, 0.3], when: {activation: leaky}}   # decided only where an earlier choice asks for it
    units: {choices: [8, 16, 32, 64]}

objectives: {error: min, latency_ms: min}
constraints: ["latency_ms <= 10 ms"]

evolution: {population: 20}
budget: {evaluations: 100}
workers: {count: auto, cpus: 1}
"""

#: A starter per family.
STARTERS: Final[dict[str, str]] = {
    "cnn": _LAYERED.format(family="cnn", width="channels of a layer", kinds=_KINDS),
    "mlp": _LAYERED.format(family="mlp", width="features of a layer", kinds=""),
    "custom": _CUSTOM,
}


def starter_spec(family: str = "cnn") -> str:
    """A commented spec in YAML that runs as it stands (the custom one once its evaluator is yours).

    Raises:
        BadInput: for a family that this version doesn't have.
    """
    try:
        return STARTERS[family]
    except KeyError:
        raise BadInput(f"there is a starter for {', '.join(STARTERS)}; got {family!r}") from None
