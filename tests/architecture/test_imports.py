"""The import rules of the design, over the syntax of both packages; each is also shown to catch an offender."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import Import, find_cycles, loaded_at_import, read_imports, read_modules

ROOT = Path(__file__).parents[2]
PACKAGES = ("gasearch", "workers/gasearch_workers")

#: Files that both sides import: the controller must not load torch for them, nor a worker anything at all.
STANDARD_LIBRARY_ONLY = (
    "gasearch_workers.messages",
    "gasearch_workers.training.stopping",
    "gasearch_workers.network.registry",
    "gasearch_workers.network.steps",
    "gasearch_workers.network.operators",
    "gasearch_workers.network.compression",
    "gasearch_workers.network.plan_builder",
    "gasearch_workers.network.kinds",
    "gasearch_workers.network.kinds.convolutions",
    "gasearch_workers.network.kinds.dense",
    "gasearch_workers.network.kinds.sequences",
    "gasearch_workers.network.kinds.traced",
    "gasearch_workers.network.layer_kinds",
    "gasearch_workers.network.inputs",
    "gasearch_workers.network.families",
    "gasearch_workers.network.plan",
    "gasearch_workers.network.packed_layout",
    "gasearch_workers.network.memory",
    "gasearch_workers.network.costs",
    "gasearch_workers.machine.environment",
)

#: The packages in the order of the pipeline, the modules of a root among them: each imports earlier ones only.
ORDER = {
    "gasearch": (
        "errors", "settings", "objectives", "spec", "space", "evolution", "dispatch", "storage", "search", "jobs",
        "deploy", "own_network", "quantize", "query", "report", "ecosystem", "api", "web", "cli", "__main__",
    ),
    "gasearch_workers": (
        "messages", "machine", "network", "data", "modules", "export", "runtimes", "training", "results", "measure",
        "evaluation", "sandbox", "identity", "ray_worker",
    ),
}  # fmt: skip

#: All that the controller may know of the workers' package, and why.
DOORS = {
    "gasearch_workers.messages": "what crosses the border",
    "gasearch_workers.network": "what a network costs is arithmetic, the same on both sides",
    "gasearch_workers.training.stopping": "what a rule to stop by means",
    "gasearch_workers.data": "a search's data are read once, and described",
    "gasearch_workers.evaluation.metric_values": "what a metric may be called is the same in a spec and in an answer",
    "gasearch_workers.evaluation.custom": "an evaluator is looked for before a search begins",
    "gasearch_workers.evaluation.evaluate": "without workers, evaluations run in the controller",
    "gasearch_workers.evaluation.deployed": "what measures forms for microcontrollers is looked for before a search",
    "gasearch_workers.evaluation.teacher": "a teacher is trained once, before the search",
    "gasearch_workers.evaluation.pretrained": "a trained network is traced once, before the search",
    "gasearch_workers.evaluation.ensemble": "final networks are run together",
    "gasearch_workers.evaluation.export": "a network of the front becomes files",
    "gasearch_workers.export.artifact": "as above",
    "gasearch_workers.export.forms": "the forms that can hold a network are chosen before any training",
    "gasearch_workers.evaluation.claims": "what came of running these files",
    "gasearch_workers.evaluation.held_out": "the samples on which they are run",
    "gasearch_workers.evaluation.verify": "they are run",
    "gasearch_workers.measure.device": "where they were run",
    "gasearch_workers.export.torch_module": "these files become a torch module",
    "gasearch_workers.export.exporters": "a form that a spec asks for is looked for before a search begins",
    "gasearch_workers.export.packed": "integers are packed for whoever has a network of their own",
    "gasearch_workers.export.packed_reader": "as above",
    "gasearch_workers.modules.own_layers": "quantized layers for such networks",
    "gasearch_workers.measure": "such a network is timed",
    "gasearch_workers.machine": "CPUs, clocks, other processes and their environment: what any process has",
    "gasearch_workers.ray_worker": "the actors that dispatch starts",
    "gasearch_workers.results": "who made a result, and when, is said alike on both sides",
    "gasearch_workers.identity": "workers of another version are refused",
    "gasearch_workers.sandbox.codec": "how requests and results are written as text",
}

#: What a worker needs and the controller must not load before it evaluates something itself.
WORKER_LIBRARIES = {"torch", "onnx", "onnxruntime", "sklearn", "ray"}

#: Packages that know nothing of each other; `search` introduces them.
STRANGERS = ("gasearch.evolution", "gasearch.dispatch", "gasearch.storage")

#: What storage writes down is made of these; nothing else of gasearch may it know.
STORAGE_MAY_IMPORT = (
    "gasearch.storage",
    "gasearch.space.decisions",
    "gasearch.objectives.fitness",
    "gasearch.objectives.constraints",
    "gasearch.errors",
    "gasearch_workers",
)

#: The only modules, with what is in them, that may import each large library.
HOMES = {
    "deap": ("gasearch.evolution",),
    "moocore": ("gasearch.evolution", "gasearch.objectives.pareto"),
    "optuna": (
        "gasearch.evolution.recipes",
        "gasearch.evolution.optuna_engine",
        "gasearch.jobs.studies",
        "gasearch.ecosystem.optuna_study",
    ),
    "mlflow": ("gasearch.ecosystem.trackers",),
    "tensorboard": ("gasearch.ecosystem.trackers",),
    "wandb": ("gasearch.ecosystem.trackers",),
    "pandas": ("gasearch.ecosystem.frames",),
    "pyarrow": ("gasearch.ecosystem.frames",),
    "plotly": ("gasearch.query.plot",),
    "ray": ("gasearch.dispatch", "gasearch_workers.ray_worker"),
    "alembic": ("gasearch.storage",),
    "sqlalchemy": ("gasearch.storage",),
    "psycopg": ("gasearch.storage",),
    "torch": (
        "gasearch_workers.modules",
        "gasearch_workers.training",
        "gasearch_workers.evaluation.evaluate",
        "gasearch_workers.evaluation.pretrained",
        "gasearch_workers.evaluation.teacher",
    ),
    "safetensors": ("gasearch_workers.modules.deployed", "gasearch_workers.modules.stored_module"),
    "onnx": ("gasearch_workers.export", "gasearch_workers.runtimes.onnx_reference"),
    "onnxruntime": ("gasearch_workers.export.onnx_runtime",),
    "unicorn": ("gasearch_workers.measure",),
    "ai_edge_litert": ("gasearch_workers.export", "gasearch_workers.runtimes"),
    "tflite_micro": ("gasearch_workers.runtimes",),
    "sklearn": ("gasearch_workers.data", "gasearch.report.importance"),
    "openvino": ("gasearch_workers.runtimes.openvino",),
    "fastapi": ("gasearch.web",),
    "starlette": ("gasearch.web",),
    "uvicorn": ("gasearch.web",),
    "prometheus_client": ("gasearch.web",),
    "typer": ("gasearch.cli",),
}

#: What the commands that only read must not load: each costs from tenths of a second to seconds.
HEAVY = ("torch", "ray", "scipy", "sklearn", "optuna", "onnx", "onnxruntime", "openvino", "deap", "plotly", "fastapi")


def is_within(name: str, *packages: str) -> bool:
    """Whether the module is one of the packages or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def workers_stand_alone(imports: list[Import]) -> Iterator[str]:
    """A GPU image needs `workers/` alone."""
    foreign = ("gasearch", "sqlalchemy", "alembic", "psycopg")
    return (
        f"{i}; workers know no controller and no database" for i in imports if is_worker(i) and i.library in foreign
    )


def is_worker(item: Import) -> bool:
    """Whether a module of `workers` is the importer."""
    return is_within(item.importer, "gasearch_workers")


def shared_files_use_the_standard_library_only(imports: list[Import]) -> Iterator[str]:
    """The files of `workers` that the controller imports bring nothing with them, save each other."""
    for item in imports:
        is_standard = item.library in sys.stdlib_module_names or item.target in STANDARD_LIBRARY_ONLY
        if item.importer in STANDARD_LIBRARY_ONLY and not is_standard:
            yield f"{item}; this file is for the standard library only"


def the_controller_loads_no_worker_library_at_import(imports: list[Import]) -> Iterator[str]:
    """Only inside a function, where the work is done, may the controller reach code that needs torch or Ray."""
    for name in sorted({item.importer for item in imports if is_within(item.importer, "gasearch")}):
        if heavy := sorted(loaded_at_import(name, imports) & WORKER_LIBRARIES):
            yield f"importing {name} loads {', '.join(heavy)}; import it in the function that needs it"


def strangers_stay_strangers(imports: list[Import]) -> Iterator[str]:
    """Evolution, dispatch and storage do not import each other."""
    for item in imports:
        for home in STRANGERS:
            others = tuple(other for other in STRANGERS if other != home)
            if is_within(item.importer, home) and is_within(item.target, *others):
                yield f"{item}; these two are strangers"


def storage_knows_only_what_it_writes_down(imports: list[Import]) -> Iterator[str]:
    """Storage imports of our own code only the values that it stores."""
    for item in imports:
        is_ours = is_within(item.target, "gasearch", "gasearch_workers")
        if is_within(item.importer, "gasearch.storage") and is_ours and not is_within(item.target, *STORAGE_MAY_IMPORT):
            yield f"{item}; storage may import only {', '.join(STORAGE_MAY_IMPORT)}"


def each_large_library_has_one_home(imports: list[Import]) -> Iterator[str]:
    """A library is imported in its home and nowhere else."""
    for item in imports:
        homes = HOMES.get(item.library)
        if homes and not is_within(item.importer, *homes):
            yield f"{item}; its home is {' or '.join(homes)}"


def no_import_cycle(imports: list[Import]) -> Iterator[str]:
    """No module needs itself, however far round, to be imported."""
    return (f"import cycle: {', '.join(cycle)}" for cycle in find_cycles(imports))


def place_of(module: str) -> str:
    """The package of a module, below its root; "" for the root itself."""
    return (*module.split(".")[1:2], "")[0]


def packages_import_earlier_ones(imports: list[Import]) -> Iterator[str]:
    """Packages have one direction, imports inside functions included; a facade's own, of what it shows, don't count."""
    for item in imports:
        order = ORDER.get(item.library)
        if order is None or item.importer in ORDER or item.importer.partition(".")[0] != item.library:
            continue
        importer, target = place_of(item.importer), place_of(item.target)
        if importer not in order or target not in (*order, ""):
            yield f"{item}; the order of packages doesn't have them both"
        elif target and order.index(target) > order.index(importer):
            yield f"{item}; {importer} comes before {target}"


def the_controller_enters_by_doors(imports: list[Import]) -> Iterator[str]:
    """Of the workers' package the controller knows only what is listed, each with its reason."""
    for item in imports:
        is_entering = is_within(item.importer, "gasearch") and is_within(item.target, "gasearch_workers")
        if is_entering and not is_within(item.target, *DOORS):
            yield f"{item}; no door leads there"


Rule = Callable[[list[Import]], Iterator[str]]
#: Each rule with a tree that breaks it, and the sentence that must come.
OFFENDERS: list[tuple[Rule, dict[str, str], str]] = [
    (
        workers_stand_alone,
        {"workers/gasearch_workers/training/train.py": "from gasearch.spec import model"},
        "gasearch_workers.training.train:1 imports gasearch.spec",
    ),
    (
        workers_stand_alone,
        {"workers/gasearch_workers/a/b.py": "def f():\n    import sqlalchemy.orm"},
        "gasearch_workers.a.b:2 imports sqlalchemy.orm",
    ),
    (
        shared_files_use_the_standard_library_only,
        {"workers/gasearch_workers/network/plan.py": "import math\nimport numpy as np"},
        "plan:2 imports num",
    ),
    (
        shared_files_use_the_standard_library_only,
        {
            "workers/gasearch_workers/network/costs.py": "from gasearch_workers.evaluation import evaluate",
            "workers/gasearch_workers/evaluation/evaluate.py": "",
        },
        "gasearch_workers.network.costs:1 imports gasearch_workers.evaluation.evaluate",
    ),
    (
        the_controller_loads_no_worker_library_at_import,
        {
            "gasearch/search/loop.py": "from gasearch_workers.data.dataset import Dataset",
            "workers/gasearch_workers/data/__init__.py": "from gasearch_workers.training import train",
            "workers/gasearch_workers/training/train.py": "import torch.nn",
        },
        "importing gasearch.search.loop loads torch",
    ),
    (
        strangers_stay_strangers,
        {"gasearch/evolution/engine.py": "from ..storage import records", "gasearch/storage/records.py": ""},
        "gasearch.evolution.engine:1 imports gasearch.storage.records",
    ),
    (
        strangers_stay_strangers,
        {
            "gasearch/dispatch/pool.py": "def f():\n    from gasearch import evolution",
            "gasearch/evolution/__init__.py": "",
        },
        "gasearch.dispatch.pool:2 imports gasearch.evolution",
    ),
    (
        storage_knows_only_what_it_writes_down,
        {"gasearch/storage/sql.py": "import gasearch.spec.model"},
        "gasearch.storage.sql:1 imports gasearch.spec.model",
    ),
    (
        each_large_library_has_one_home,
        {"gasearch/cli/run.py": "import ray"},
        "gasearch.cli.run:1 imports ray; its home is",
    ),
    (
        each_large_library_has_one_home,
        {"gasearch/query/front.py": "import importlib\nimportlib.import_module('torch.nn')"},
        "gasearch.query.front:2 imports torch.nn; its home is gasearch_workers",
    ),
    (
        packages_import_earlier_ones,
        {"gasearch/storage/sql.py": "def f():\n    import gasearch.search.loop", "gasearch/search/loop.py": ""},
        "gasearch.storage.sql:2 imports gasearch.search.loop; storage comes before search",
    ),
    (
        packages_import_earlier_ones,
        {
            "workers/gasearch_workers/data/rows.py": "from gasearch_workers import odds",
            "workers/gasearch_workers/odds.py": "",
        },
        "the order of packages doesn't have them both",
    ),
    (
        the_controller_enters_by_doors,
        {
            "gasearch/space/constraints.py": "from gasearch_workers.modules import build",
            "workers/gasearch_workers/modules/build.py": "",
        },
        "gasearch.space.constraints:1 imports gasearch_workers.modules.build; no door leads there",
    ),
    (
        no_import_cycle,
        {"gasearch/a.py": "from . import b", "gasearch/b.py": "import gasearch.c", "gasearch/c.py": "from .a import x"},
        "import cycle: gasearch.a, gasearch.b, gasearch.c",
    ),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in OFFENDERS))


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return read_imports(read_modules(ROOT, PACKAGES))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule: Rule, imports: list[Import]) -> None:
    assert imports, f"no import found under {ROOT}"
    assert list(rule(imports)) == []


@pytest.mark.parametrize(("rule", "files", "message"), OFFENDERS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_catches_an_offender(rule: Rule, files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    found = list(rule(read_imports(read_modules(tmp_path, PACKAGES))))
    assert len(found) == 1
    assert message in found[0]


def test_an_import_inside_a_function_makes_no_cycle(tmp_path: Path) -> None:
    (tmp_path / "gasearch").mkdir()
    (tmp_path / "gasearch/a.py").write_text("import gasearch.b")
    (tmp_path / "gasearch/b.py").write_text("def f():\n    import gasearch.a")
    assert find_cycles(read_imports(read_modules(tmp_path, PACKAGES))) == []


def test_every_home_exists_so_that_a_renamed_one_is_noticed() -> None:
    names = {module.name for module in read_modules(ROOT, PACKAGES)}
    assert {home for homes in HOMES.values() for home in homes} - names == set()
    assert {*STRANGERS, *STANDARD_LIBRARY_ONLY, *DOORS} - names == set()


def test_the_order_names_every_package_and_every_module_of_a_root() -> None:
    names = {module.name for module in read_modules(ROOT, PACKAGES)}
    for root, order in ORDER.items():
        assert {place_of(name) for name in names if is_within(name, root)} == {*order, ""}


def test_the_folder_of_revisions_does_not_hide_the_library_of_its_name() -> None:
    assert not (ROOT / "alembic/__init__.py").exists()
    code = "import alembic.config; print(alembic.config.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "site-packages" in found.stdout


@pytest.mark.parametrize("module", ["gasearch", "gasearch.cli", "gasearch.query.front", "gasearch.spec"])
def test_what_only_reads_loads_no_heavy_library(module: str, tmp_path: Path) -> None:
    code = f"import sys, {module}; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []
