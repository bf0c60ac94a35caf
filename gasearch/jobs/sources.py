"""What a spec names outside itself: its data, or its evaluator, and operators of the user's own."""

from __future__ import annotations

import importlib
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gasearch_workers.data import DataError, NotDownloaded, is_named, load_dataset
from gasearch_workers.data.dataset import Dataset
from gasearch_workers.data.options import DataOptions
from gasearch_workers.evaluation.custom import MAIN, OF_ITS_OWN, find_evaluator
from gasearch_workers.evaluation.metric_values import EvaluatorError
from gasearch_workers.messages import CROSS_COMPILERS, DEPLOYED, FULL_PRECISION, Blueprint, DeviceCommand
from gasearch_workers.network.families import FAMILIES
from gasearch_workers.network.plan import plan
from gasearch_workers.network.registry import UnknownName

from gasearch.errors import DataNotHere, OperatorFailed, SpecError
from gasearch.search.progress import unheard
from gasearch.space.decisions import Space
from gasearch.space.decode import decode
from gasearch.space.genome import make_genome
from gasearch.spec.model import SearchSpec
from gasearch.spec.spaces import BitsSpace

KEY: Final = "evolution.toolbox"
#: What to do with a function that only this program finds.
_OWN_MODULE: Final = {"task.evaluator": OF_ITS_OWN, KEY: OF_ITS_OWN.replace("evaluate", "configure")}

MOST_TRIED: Final = 64  #: Networks of a space, to see whether it has any in a form.

#: Changes a DEAP toolbox, as `gasearch.evolution.toolbox` makes it, in place.
Configure = Callable[[Any, Space], object]

#: What whoever names data that aren't there may have meant.
PUBLIC: Final = "; public data sets are named torchvision:NAME or hf:NAME, and `gasearch data SPEC` brings them"


def load_data(spec: SearchSpec, notice: Callable[[str], None] = unheard, *, downloads: bool = False) -> Dataset | None:
    """The spec's data, checked and split; None where an evaluator, which is found, brings its own.

    Args:
        spec: Names them.
        notice: Takes what is downloaded, and of an evaluator that no other program can find.
        downloads: Whether data that are not here may be downloaded though the spec doesn't say so.

    Raises:
        DataNotHere: if they must be downloaded first.
        SpecError: if the data, the evaluator or the trained network can't be used, with the reason.
    """
    if spec.task.evaluator is not None:
        _require_importable("task.evaluator", spec.task.evaluator, spec)
        try:
            find_evaluator(spec.task.evaluator)
        except EvaluatorError as error:
            raise SpecError(f"task.evaluator: {error}") from error
        _notice_own("task.evaluator", spec.task.evaluator, notice)
        return None
    source, may_download = str(spec.task.dataset), downloads or spec.task.download
    try:
        data = load_dataset(source, data_options(spec), download=notice if may_download else None)
    except NotDownloaded as error:
        if may_download:
            raise SpecError(f"task.dataset: {error}") from error
        raise DataNotHere(f"task.dataset: {error}; task.download: true lets it be downloaded") from error
    except DataError as error:
        raise SpecError(f"task.dataset: {error}{PUBLIC * _is_missing_file(source)}") from error
    except OSError as error:  # a name that no file can have, for instance
        raise SpecError(f"task.dataset: {spec.task.dataset} can't be read: {error.strerror or error}") from error
    return _with_trained(spec.space, data) if isinstance(spec.space, BitsSpace) else data


def _with_trained(asked: BitsSpace, data: Dataset) -> Dataset:
    """The data with the trained network whose bits are searched; as they are where no such network takes them.

    Raises:
        SpecError: if it can't be had, or isn't one for these data.
    """
    if data.input_kind not in FAMILIES.get(asked.family).inputs or data.kind not in FAMILIES.get(asked.family).tasks:
        return data  # which is told with the family's other problems
    if data.categories:
        text = f"bits takes tables of numbers alone; {data.name} has {len(data.categories)} columns of categories"
        raise SpecError(f"space.family: {text}: name the others in task.features")
    from gasearch_workers.evaluation.pretrained import PretrainedError, with_pretrained  # loads torch

    weights = Path(asked.weights).expanduser()
    try:
        return with_pretrained(data, asked.module, weights, mean=asked.mean, deviation=asked.deviation)
    except PretrainedError as error:
        raise SpecError(f"space.{error.key}: {error}") from error


def _is_missing_file(source: str) -> bool:
    path = Path(source).expanduser()
    return not is_named(source) and (path.suffix != "" or len(path.parts) > 1) and not path.exists()


def data_options(spec: SearchSpec) -> DataOptions:
    """How the spec's data are to be read."""
    content: dict[str, Any] = spec.task.model_dump(exclude={"dataset", "download", "kind", "evaluator", "lower"})
    return DataOptions(kind=spec.kind, is_lower=spec.task.lower, **content)


def measuring_command(spec: SearchSpec) -> DeviceCommand | None:
    """The command that measures each network, as workers get it; None where the spec names none.

    Raises:
        SpecError: if its program isn't here, or nothing writes a form that it asks for.
    """
    if spec.measure is None:
        return None
    program = spec.measure.arguments[0]
    if spec.workers.address is None and shutil.which(program) is None:  # else another node has it
        where = f"here, in {os.getcwd()}" if "/" in program else "on the path"
        raise SpecError(f"measure.command: there is no program {program!r} {where} that can be run")
    if spec.measure.formats:
        from gasearch_workers.export.exporters import EXPORTERS  # loads ONNX

        try:
            for form in spec.measure.formats:
                EXPORTERS.get(form)
        except UnknownName as error:
            raise SpecError(f"measure.formats: {error}") from error
    return spec.measure.to_command(folder=os.getcwd(), environment=spec.workers.environment)


def require_tools(spec: SearchSpec, compiler: str = "") -> str:
    """Refuse measures of forms for microcontrollers that nothing here can take.

    Args:
        spec: Of the search.
        compiler: The cross compiler with which the search began; "": it has not begun, or needs none.

    Returns:
        The cross compiler by which the search measures, with its version where it is here; "" where it needs none.

    Raises:
        SpecError: naming each with what to install; or asking for the name of the workers' compiler.
    """
    wanted = _deployed(spec)
    if not wanted:
        return ""
    from gasearch_workers.evaluation.deployed import compiled_by, why_not_here  # loads ONNX

    asked = compiler or ("" if spec.target.toolchain == "auto" else spec.target.toolchain)
    found = compiled_by(wanted, asked)
    if spec.workers.address is not None:  # the workers are elsewhere
        if not (found or asked) and any(DEPLOYED[name] == "c" for name in wanted):
            raise SpecError(
                "target.toolchain: no cross compiler is here; name that of the workers: " + " or ".join(CROSS_COMPILERS)
            )
        return found or asked
    problems = [f"{name} can't be measured here: {reason}" for name, reason in why_not_here(wanted, asked).items()]
    if problems and compiler:
        problems.append(f"the search began with {compiler}; sizes by another compiler don't compare with those it has")
    if problems:
        raise SpecError("\n".join(problems))
    return found


def require_forms(spec: SearchSpec, space: Space) -> None:
    """Refuse a space of which no network, among many, has the forms that are to be measured.

    Raises:
        SpecError: naming the form, and what it can't hold.
    """
    names = () if spec.measure is None else spec.measure.formats
    forms = {f"measure.formats: {name}": name for name in names}
    forms |= {f"{name}: its form {DEPLOYED[name]}": DEPLOYED[name] for name in _deployed(spec)}
    if not forms:
        return
    from gasearch_workers.export.exporters import EXPORTERS  # loads ONNX

    rng = random.Random(spec.seed)
    genes = [[rng.randrange(size) for size in space.sizes] for _ in range(MOST_TRIED)]
    plans = [plan(network) for one in genes if isinstance(network := decode(make_genome(one, space), space), Blueprint)]
    for what, name in forms.items():
        reasons = [EXPORTERS.get(name).refusal(steps) for steps in plans]
        if all(reasons):
            advice = _without_floats(spec, name)
            raise SpecError(f"{what} can't hold any of {len(plans)} networks of this space: {reasons[0]}{advice}")
        if any(reasons) and (advice := _without_floats(spec, name)):
            raise SpecError(f"{what} can't hold networks with 32 bits, which are float{advice}")


def _without_floats(spec: SearchSpec, form: str) -> str:
    """The choices of bits that the C form can hold, where the space has others; "" where it is not about these."""
    if form != "c":
        return ""
    space, advice = spec.space, []
    for key in ("weight_bits", "activation_bits"):
        choices = getattr(space, key, ())
        if FULL_PRECISION in choices:
            left = [bits for bits in choices if bits != FULL_PRECISION] or [8]
            advice.append(f"space.{key}: {left}")
    return f"; choose {' and '.join(advice)}" if advice else ""


def _deployed(spec: SearchSpec) -> list[str]:
    """The metrics of forms for microcontrollers that the search is about."""
    return sorted(spec.measures().intersection(DEPLOYED))


def toolbox_of(spec: SearchSpec, space: Space) -> Any:
    """A fresh toolbox for the spec's algorithm, with the user's operators where it names any.

    Raises:
        SpecError: if what it names can't be found, or raises.
    """
    from gasearch.evolution.toolbox import make_toolbox  # loads DEAP

    toolbox = make_toolbox(space, spec.algorithm)
    if spec.evolution.toolbox is not None:
        configure = find_configure(spec.evolution.toolbox)
        try:
            configure(toolbox, space)
        except Exception as error:  # whatever the user's function raises
            text = f"{spec.evolution.toolbox} raised {type(error).__name__}: {error}"
            raise SpecError(f"{KEY}: {text}") from error
    return toolbox


def require_operators(spec: SearchSpec, space: Space, notice: Callable[[str], None] = unheard) -> None:
    """Find the user's operators, if the spec names any, and try each of them on random individuals.

    Args:
        spec: Of the search.
        space: What genes mean.
        notice: Is told of a function that no other program can find.

    Raises:
        SpecError: if they can't be used, with the reason.
    """
    name = spec.evolution.toolbox
    if name is None:
        return
    _require_importable(KEY, name, spec)
    from gasearch.evolution.seeded_toolbox import SeededToolbox  # loads DEAP

    try:
        SeededToolbox(toolbox_of(spec, space), space, seed=spec.seed).try_out(len(spec.objectives))
    except (OperatorFailed, ValueError) as error:
        raise SpecError(f"{KEY}: {name}: {error}") from error
    _notice_own(KEY, name, notice)


def find_configure(name: str) -> Configure:
    """The function that "package.module:function" names.

    Raises:
        SpecError: if the module can't be imported, or has no such function.
    """
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the user's module raises while it is imported
        raise SpecError(
            f"{KEY}: {name!r} can't be imported ({type(error).__name__}: {error}); install the package that holds "
            f"{module_name!r}, or put its folder on PYTHONPATH"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        elsewhere = f"; {_OWN_MODULE[KEY]}" if module_name == MAIN else ""
        raise SpecError(f"{KEY}: the module {module_name!r} has no function {function_name!r}{elsewhere}")
    return function  # type: ignore[no-any-return]


def named(function: Configure) -> str:
    """The name by which a resume finds a function: "package.module:function".

    Raises:
        SpecError: if it would find none, or another one.
    """
    name = getattr(function, "__qualname__", type(function).__qualname__)
    module = getattr(function, "__module__", "")
    if "." in name or "<" in name:
        raise SpecError(f"{KEY}: {name!r} has no name by which a resume could find it: {_OWN_MODULE[KEY]}")
    if find_configure(f"{module}:{name}") is not function:
        raise SpecError(f"{KEY}: {module}:{name} is another function than the one that was given: {_OWN_MODULE[KEY]}")
    return f"{module}:{name}"


def _require_importable(key: str, name: str, spec: SearchSpec) -> None:
    """Refuse a function of the program that runs, where another process would look for it."""
    if name.startswith(f"{MAIN}:") and spec.workers.count != 0:
        elsewhere = "the program that resumes the search" if key == KEY else "a worker"
        raise SpecError(
            f"{key}: {name!r} is another module in {elsewhere}: {_OWN_MODULE[key]}; or evaluate in this process, with "
            "workers.count: 0"
        )


def _notice_own(key: str, name: str, notice: Callable[[str], None]) -> None:
    if name.startswith(f"{MAIN}:"):
        notice(f"only this program can resume a search with {key} {name!r}: {_OWN_MODULE[key]}")
