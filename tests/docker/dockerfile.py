"""A reader of Dockerfiles, as far as the tests of ours need it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a build, with the instructions of the stages that it starts from before its own."""

    name: str
    base: str  #: The image that the first of these stages starts from, as written.
    steps: tuple[tuple[str, str], ...]  #: (instruction, its arguments on one line)

    def all(self, instruction: str) -> list[str]:
        """The arguments of every such instruction, in order; the last one holds for USER, CMD and their like."""
        return [arguments for name, arguments in self.steps if name == instruction]

    @property
    def installs(self) -> set[str]:
        """The packages that `pip install` brings into the image, without their extras."""
        found = set()
        for command in self.all("RUN"):
            for words in re.findall(r"pip install ([^&]*)", command):
                bare = re.sub(r"--(constraint|find-links|index-url) \S+|--[\w-]+", "", words)
                found |= {re.sub(r"\[.*\]", "", word.strip('"')) for word in bare.split()}
        return found


def read_stages(text: str) -> dict[str, Stage]:
    """The named stages of a Dockerfile."""
    stages: dict[str, Stage] = {}
    name, base, steps = "", "", []
    for instruction, arguments in _instructions(text):
        if instruction == "FROM":
            source, _, name = re.split(r"\s+(AS)\s+", arguments, flags=re.IGNORECASE)
            parent = stages.get(source)
            base, steps = (parent.base, list(parent.steps)) if parent else (source, [])
        else:
            steps.append((instruction, arguments))
        if name:
            stages[name] = Stage(name=name, base=base, steps=tuple(steps))
    return stages


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(None, 1)[0].upper(), line.split(None, 1)[1]) for line in joined.splitlines()]
