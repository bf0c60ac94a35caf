"""Commented specs to begin with."""

from __future__ import annotations

from typing import Final

from gasearch_workers.network.families import FAMILIES

from gasearch.errors import BadInput

_LAYERED: Final = """\
# A search for small quantized networks. Check it: gasearch check SPEC; run it: gasearch run SPEC
name: {family}-search
seed: 1                              # the same seed gives the same search

task:
{task}
space:
  family: {family}
{space}  weight_bits: [2, 3, 4, 6, 8]       # per layer, 1 to 8; 32 is float
  activation_bits: [4, 8]
  # sparsity: [0.0, 0.5, 0.75]       # shares of the units or, with pruning: unstructured, of the weights to remove
  # rank: [0.25, 0.5, 1.0]           # shares of the full rank of the weights

objectives:                          # max or min; the result is the best compromises between them
{score}
  model_bytes: min                   # of the packed file
  latency_ms: min                    # measured on this machine, one sample at a time

constraints:                         # units: KB, MB, KiB, MiB; us, ms, s; K, M, G; %
  - model_bytes <= {limit}

recipe:
  epochs: {epochs}
  batch_size: {batch}
  optimizer: adam                    # adam, adamw, sgd, rmsprop or adafactor
  learning_rate: {rate}
  # dropout: 0.1
  # tune: {{trials: 30}}               # looks for a better recipe on three of the networks first
{recipe}
evolution:
  algorithm: auto                    # nsga2, from four objectives nsga3; also aging, random, optuna:tpe, optuna:gp
  population: 20
  # mode: generational               # waits for each generation: the same networks with any number of workers
  # surrogate: false                 # no model that ranks the children before one is trained

# early_stop: false                  # else a training ends once others beat all that it can still reach

# start:
#   designs:                         # known networks, evaluated first
{design}
#   searches: [earlier]              # and the fronts of earlier searches

budget:
  evaluations: 120
  # hours: 1                         # whichever ends first
  # stalled: 60                      # evaluations without a better front

workers:
  count: auto                        # one per usable core; 0 evaluates in the controller's own process
  cpus: 1                            # per worker
  # gpus: 0.25                       # per worker: four share one
  # memory_limit: 4 GB               # of one evaluation; auto: an equal share of the node's memory
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
# early_stop: {rungs: [10, 30]}      # ends what is dominated at these steps that your function reports
# start: {designs: [{activation: relu, units: 32}]}   # known choices, evaluated first
budget: {evaluations: 100}           # stalled: 60 ends it after so many without a better front
workers: {count: auto, cpus: 1}
"""

_BITS: Final = """\
# How few bits does each layer of a trained torch network of your own need?
name: bits-search
seed: 1

task:
  dataset: digits                    # embedded; or the path of an .npz file, of a table, or of IDX images

space:
  family: bits
  # A function of an installed module (or of one on PYTHONPATH) that makes the torch module:
  #   def make():
  #       return Net()
  module: mypackage.nets:make
  weights: weights.safetensors       # its state_dict, by safetensors.torch.save_file
  # mean: 0                          # the module takes (x - mean) / deviation of the data's numbers; where left out
  # deviation: 255                   #   0 and, of images, 255
  weight_bits: [2, 3, 4, 6, 8]       # of each layer
  activation_bits: [4, 8]            # of each tensor
  # shared_activations: true         # one choice of these for all tensors

objectives: {accuracy: max, model_bytes: min}

recipe:
  epochs: 0                          # quantizes without any training; from 1 on, trains on from your weights
  learning_rate: 0.001

evolution: {population: 20}
# start: {designs: [{fc1.weight_bits: 4, fc1.activation_bits: 8, head.weight_bits: 8}]}   # evaluated first
budget: {evaluations: 120}
workers: {count: auto, cpus: 1}
"""

_ACCURACY: Final = "  accuracy: max                      # of the quantized network, on data that it was not trained on"

_DIGITS: Final = """\
  dataset: digits                    # embedded; or the path of an .npz file, or of IDX images
"""

_TABLE: Final = """\
  dataset: diabetes                  # embedded; or the path of a CSV or TSV file, then with
  # target: price                    #   the column to predict: of names it is a classification, of numbers a regression
  # features: [rooms, area, town]    #   the columns to learn from; all others where left out
  # categorical: [town]              #   those of them whose numbers are names
  # missing: ["", NA]                # cells that hold no value; the usual marks where left out
"""

_SENTENCES: Final = """\
  dataset: data/sentences            # a folder with train.tsv, dev.tsv and test.tsv, or the path of one such file
  # text: sentence                   # the column of sentences; told from the data where it can be
  # target: label                    # the column of labels
  length: 64                         # words of a sentence; the rest is cut off
  vocabulary: 20000                  # most frequent words that are kept
  lower: true                        # letters are made small
"""

_TAGGED: Final = """\
  dataset: data/entities             # a folder with train.conll, dev.conll and test.conll, or the path of one such file
  length: 64                         # words of a sentence; the rest is cut off
  vocabulary: 20000                  # most frequent words that are kept
  # tags: bio                        # or bioes, bilou, bmes, bmewo, types; told from the tags where it can be
"""

_RATINGS: Final = """\
  dataset: data/ratings.csv          # the path of a CSV or TSV file
  # user: userId                     # its columns; told from their names where they can be
  # item: movieId
  # target: rating
"""

_TOKENS: Final = """\
  embedding: [16, 32, 64]            # length of a word's vector
  vocabulary: [2000, 5000, 10000]    # most frequent words that have one
"""

_LAYER: Final = "weight_bits: 4, activation_bits: 8"
_GRU: Final = f"""\
#     - encoder: gru
#       layers: [{{width: 32, {_LAYER}}}]
#       embedding: {{width: 32, weight_bits: 8}}
#       vocabulary: 5000
#       head: {{weight_bits: 8}}"""

_ITEMS: Final[dict[str, dict[str, object]]] = {
    "cnn": {
        "design": f"""\
#     - layers: [{{kind: conv, width: 16, kernel: 3, {_LAYER}}}]
#       head: {{weight_bits: 8}}""",
        "task": _DIGITS,
        "space": """\
  layers: [1, 4]                     # fewest, most; the head comes on top
  width: [8, 16, 24, 32, 48, 64]     # channels of a layer
  kernel: [3, 5]                     # side of the convolutions
  kind: [conv, separable, residual]  # what a layer may be
  # downsample: [stride, max_pool]   # how a layer halves the image
""",
        "recipe": "  # augment: [shift, flip]           # images moved a little, mirrored\n",
    },
    "mlp": {
        "design": f"""\
#     - layers: [{{width: 32, {_LAYER}}}]
#       head: {{weight_bits: 8}}""",
        "task": _TABLE,
        "space": """\
  layers: [0, 3]                     # fewest, most; the head comes on top, alone it is a linear model
  width: [8, 16, 24, 32, 48, 64]     # features of a layer
  # embedding: [4, 8]                # length of the vector of a category, for tables that have such columns
""",
        "score": "  rmse: min                          # of the quantized network, on data that it was not trained on",
        "limit": "16 KB",
        "epochs": 40,
        "rate": 0.01,
    },
    "text": {
        "design": _GRU,
        "task": _SENTENCES,
        "space": f"""\
  encoder: [pool, conv, gru]         # a dense network over the words' mean, convolutions, recurrent layers
  layers: [0, 2]                     # fewest, most; the head comes on top
  width: [16, 32, 64]                # features of a layer, of gru per direction
  kernel: [3, 5]                     # words that a convolution spans
{_TOKENS}""",
        "limit": "500 KB",
    },
    "transformer": {
        "design": f"""\
#     - layers: [{{heads: 2, width: 64, {_LAYER}}}]
#       embedding: {{width: 32, weight_bits: 8}}
#       vocabulary: 5000
#       head: {{weight_bits: 8}}""",
        "task": _SENTENCES,
        "space": f"""\
  layers: [1, 2]                     # fewest, most; the head comes on top
  width: [32, 64, 128]               # inner features of a layer
  heads: [2, 4]                      # of the attention
{_TOKENS}""",
        "limit": "500 KB",
    },
    "tagger": {
        "design": _GRU,
        "task": _TAGGED,
        "space": f"""\
  encoder: [gru, transformer]        # recurrent layers, or self-attention
  layers: [1, 2]                     # fewest, most; the head comes on top
  width: [16, 32, 64]                # features per direction of gru, inner ones of a transformer
  heads: [2, 4]                      # of a transformer
{_TOKENS}""",
        "score": "  entity_f1: max                     # of whole entities, on sentences that it was not trained on",
        "recipe": "  # class_weights: balanced          # each tag weighs the same in the loss\n",
        "limit": "500 KB",
        "epochs": 10,  # entities are rare: with half the updates most networks find none (measured on WNUT 17)
        "batch": 32,
    },
    "recommender": {
        "design": """\
#     - layers: []
#       embedding: {width: 16, weight_bits: 8}
#       head: {weight_bits: 8}""",
        "task": _RATINGS,
        "space": """\
  layers: [0, 2]                     # fewest, most; without any it is a matrix factorization
  width: [16, 32, 64]                # features of a layer
  embedding: [8, 16, 32]             # length of the vector of a user or an item
""",
        "score": "  rmse: min                          # of the quantized network, on ratings that it has not seen",
        "limit": "500 KB",
    },
}
_USUAL: Final[dict[str, object]] = {
    "score": _ACCURACY,
    "recipe": "",
    "limit": "64 KB",
    "epochs": 6,
    "batch": 64,
    "rate": 0.005,
}

#: A starter per family.
STARTERS: Final[dict[str, str]] = {
    **{family: _LAYERED.format(family=family, **(_USUAL | items)) for family, items in _ITEMS.items()},
    "bits": _BITS,
    "custom": _CUSTOM,
}


def starter_spec(family: str = "cnn") -> str:
    """A commented spec in YAML that runs as it stands, once its data or evaluator are yours where none is embedded.

    Raises:
        BadInput: for a family that has none.
    """
    if family in STARTERS:
        return STARTERS[family]
    added = {name: FAMILIES.get(name).starter for name in FAMILIES.names()}
    starters = STARTERS | {name: starter for name, starter in added.items() if starter}
    if family not in starters:
        raise BadInput(f"there is a starter for {', '.join(starters)}; got {family!r}")
    return starters[family]
