"""The sections on the device that a network is for: what it can compute, and how it measures a network itself."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Final, Literal

from gasearch_workers.evaluation.metric_values import METRIC_NAME, NAME_RULE, RESERVED
from gasearch_workers.messages import DEPLOYED, CrossCompiler, DeviceCommand, Microcontroller
from gasearch_workers.network.operators import FUSED, OPERATORS, SYNONYMS
from pydantic import AfterValidator, BeforeValidator, Field

from gasearch.objectives.metrics import METRICS
from gasearch.spec import fields
from gasearch.spec.explain import Problem, nearest, problems_error, show
from gasearch.spec.fields import Section

#: What a device knows better than this machine: what a command gives under these names takes the place of ours.
REPLACED: Final = ("latency_ms", "energy_j", *DEPLOYED)
_OF_SHELLS: Final = frozenset({"|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1", "2>/dev/null"})


def _operator(name: object) -> object:
    if name in OPERATORS:
        return name
    word = re.sub(r"[^a-z]", "", name.lower()) if isinstance(name, str) else ""
    if word in FUSED:
        hint = "; it is part of the operator before it: leave it out"
    else:
        hint = f'; did you mean "{SYNONYMS[word]}"?' if word in SYNONYMS else nearest(name, OPERATORS)
    text = f"must be one of {', '.join(OPERATORS)}; got {show(name)}{hint}"
    raise problems_error([Problem(path=(), text=text)])


def _in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(fields.distinct(names), key=OPERATORS.index))


class TargetSpec(Section):
    """The device: networks that need operators that it lacks are never proposed."""

    operators: (
        Annotated[
            tuple[Annotated[str, BeforeValidator(_operator)], ...],
            BeforeValidator(fields.as_list),
            AfterValidator(_in_order),
        ]
        | None
    ) = Field(default=None, description=f"a list of {', '.join(OPERATORS)}")  #: None: all.
    #: On which `flash_bytes`, `ram_bytes` and `instructions` are measured.
    cpu: Microcontroller = "cortex-m4"
    #: By which the C form is compiled for that; auto: the first that is here when the search begins, to its end.
    toolchain: Literal["auto"] | CrossCompiler = "auto"


def _command(text: object) -> object:
    if not isinstance(text, str):
        raise fields.not_allowed()
    try:
        arguments = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"can't be read as a program and its arguments ({str(error).lower()})") from error
    if not arguments or not arguments[0]:
        raise fields.not_allowed()
    if words := [word for word in arguments if word in _OF_SHELLS or "$(" in word or "`" in word]:
        raise ValueError(f"is run without a shell, which alone knows {words[0]}: put it into a script, and name that")
    return text


def _metric(name: object) -> object:
    problem = ""
    if not isinstance(name, str) or not METRIC_NAME.fullmatch(name):
        problem = f"the name of a metric is {NAME_RULE}; got {show(name)}"
    elif name in RESERVED:
        problem = f"no metric may be named {name!r}, which {RESERVED[name]}; choose another name"
    elif name in METRICS and name not in REPLACED:
        problem = (
            f"{name} is measured by gasearch; a command may give {', '.join(REPLACED)} in place of ours, and metrics "
            "of other names"
        )
    elif name.endswith("_spread"):
        problem = f"{name} may stand beside {name.removesuffix('_spread')} in every answer: leave it out here"
    if problem:
        raise problems_error([Problem(path=(), text=problem)])
    return name


class MeasureSpec(Section):
    """The user's own measurement of each network, by an installed command."""

    command: Annotated[str, BeforeValidator(_command)] = fields.text(
        ..., "an installed program and its arguments; the folder with the network's files comes after them"
    )
    metrics: Annotated[
        tuple[Annotated[str, BeforeValidator(_metric)], ...],
        BeforeValidator(fields.as_list),
        AfterValidator(fields.distinct),
    ] = Field(max_length=64, description="a list of the names of the numbers that the command gives")
    timeout_s: float = fields.positive(60.0, 86_400)  #: Wall seconds for one network.
    formats: Annotated[
        tuple[Annotated[str, Field(strict=True)], ...],
        BeforeValidator(fields.as_list),
        AfterValidator(fields.none_twice),
    ] = Field(default=(), max_length=64, description="a list of forms that the folder holds besides")

    @property
    def arguments(self) -> tuple[str, ...]:
        """The program and its arguments."""
        return tuple(shlex.split(self.command))

    def to_command(self, *, folder: str, environment: tuple[str, ...]) -> DeviceCommand:
        """The command as a worker gets it.

        Args:
            folder: Where it runs.
            environment: Variables that it gets besides those that hold no secret.
        """
        return DeviceCommand(
            arguments=self.arguments,
            metrics=self.metrics,
            timeout_s=self.timeout_s,
            formats=self.formats,
            folder=folder,
            environment=environment,
        )
