"""A small search of a custom space, which trains nothing."""

CUSTOM_SPEC = {
    "name": "small",
    "seed": 5,
    "task": {"evaluator": "tests.doubles.evaluators:quick"},
    "space": {"family": "custom", "decisions": {name: {"choices": [0, 1, 2, 3]} for name in "abc"}},
    "objectives": {"error": "min", "cost": "min"},
    "constraints": ["cost <= 8"],
    "evolution": {"population": 4},
    "budget": {"evaluations": 12},
    "workers": {"count": 0},
}
