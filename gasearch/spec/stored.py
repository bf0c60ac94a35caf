"""Stored specs of earlier versions: what a key that they lack meant when they ran.

A stored spec holds every key that its version knew, defaults included. So a key that is missing came later, and stands
for what was done before there was such a key, which need not be its default now.
"""

from __future__ import annotations

import json
from typing import Any, Final

from gasearch.spec.fitting import TOLD_TO_EVALUATORS
from gasearch.spec.sections import RecipeSpec

#: Per section, what a spec without the key meant. All came with version 0.3.0.
BEFORE: Final[dict[str, dict[str, Any]]] = {
    "evolution": {"surrogate": False, "replicates": 0.0},
    "early_stop": {"rungs": "off"},
    "start": {"reuse": False},
    "workers": {"memory_limit": "off", "disk_limit": "off"},
}


def as_then(text: str) -> str:
    """The JSON of a stored spec with the keys that it lacks; a text that is no JSON object comes back as it is."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    if not isinstance(content, dict):
        return text
    for section, values in BEFORE.items():
        held = content.setdefault(section, {})
        if isinstance(held, dict):
            content[section] = values | held
    recipe, space = content.get("recipe"), content.get("space")
    if isinstance(recipe, dict) and isinstance(space, dict) and space.get("family") == "custom":
        content["recipe"] = _as_told(recipe)
    return json.dumps(content)


def _as_told(recipe: dict[str, Any]) -> dict[str, Any]:
    """What a custom evaluator was told; before version 0.4.0 a recipe could hold more, which nobody heeded."""
    defaults = RecipeSpec().model_dump(mode="json")
    return recipe | {key: value for key, value in defaults.items() if key not in TOLD_TO_EVALUATORS}
