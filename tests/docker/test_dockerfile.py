"""What must hold of the images; no engine is needed, and each rule is shown to catch a worse Dockerfile."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import read_imports, read_modules
from tests.docker.dockerfile import Stage, read_stages

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()
IMAGES = ("worker", "controller")

#: The name under which a package is installed, where it isn't the one under which it is imported.
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
#: What data are read with where a user has installed it (the controller reads them, and hands workers arrays), and what
#: the forms for other runtimes are written, run and counted with.
OPTIONAL = {
    *("torchvision", "PIL", "datasets", "huggingface_hub"),
    *("ai_edge_litert", "flatbuffers", "tflite_micro", "openvino", "ziglang", "unicorn"),
}
DATABASE_PACKAGES = {"sqlalchemy", "alembic", "psycopg", "gasearch"}
SECRET = re.compile(r"password|token|secret|credential", re.IGNORECASE)


def images_run_as_a_numbered_user(stages: dict[str, Stage]) -> Iterator[str]:
    for name in IMAGES:
        user = (stages[name].all("USER") or ["root"])[-1]
        if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
            yield f"{name} runs as {user}; Kubernetes can tell only from a number that it isn't root"


def images_have_a_writable_home(stages: dict[str, Stage]) -> Iterator[str]:
    for name in IMAGES:
        home = re.search(r"\bHOME=(\S+)", " ".join(stages[name].all("ENV")))
        if home is None or f'"{home[1]}"' not in " ".join(stages[name].all("VOLUME")):
            yield f"{name} has no HOME on a volume; Ray writes its token there"


def images_stop_and_report(stages: dict[str, Stage]) -> Iterator[str]:
    for name in IMAGES:
        for instruction in ("STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
            if not stages[name].all(instruction):
                yield f"{name} has no {instruction}"


def images_say_what_they_are(stages: dict[str, Stage]) -> Iterator[str]:
    for name in IMAGES:
        labels = " ".join(stages[name].all("LABEL"))
        for label in ("title", "description", "version"):
            if f"org.opencontainers.image.{label}=" not in labels:
                yield f"{name} has no label org.opencontainers.image.{label}"


def no_layer_holds_a_secret(stages: dict[str, Stage]) -> Iterator[str]:
    for stage in stages.values():
        for arguments in [*stage.all("ENV"), *stage.all("ARG"), *stage.all("COPY"), *stage.all("ADD")]:
            if SECRET.search(arguments):
                yield f"{stage.name} sets or copies what looks like a secret: {arguments}"


def nothing_is_copied_whole(stages: dict[str, Stage]) -> Iterator[str]:
    for stage in stages.values():
        for arguments in [*stage.all("COPY"), *stage.all("ADD")]:
            if {".", "./"} & set(arguments.split()[:-1]):
                yield f"{stage.name} copies the whole folder: {arguments}"


def every_node_has_one_python(stages: dict[str, Stage]) -> Iterator[str]:
    bases = {stage.base for stage in stages.values()}
    if len(bases) != 1:
        yield f"Ray wants one Python minor version on every node; the stages start from {sorted(bases)}"


def every_version_is_pinned(stages: dict[str, Stage]) -> Iterator[str]:
    for stage in stages.values():
        for command in stage.all("RUN"):
            for part in command.split("&&"):
                if re.search(r"\bpip (install|wheel)\b", part) and "--constraint" not in part:
                    yield f"{stage.name} installs without the constraints: {part.strip()}"


def the_worker_knows_no_database(stages: dict[str, Stage]) -> Iterator[str]:
    worker = stages["worker"]
    for package in sorted(DATABASE_PACKAGES & worker.installs):
        yield f"the worker installs {package}"
    for arguments in worker.all("COPY"):
        if "gasearch" in arguments.split()[0]:
            yield f"the worker copies {arguments}"


def the_worker_has_what_its_code_imports(stages: dict[str, Stage]) -> Iterator[str]:
    imports = read_imports(read_modules(ROOT, ["workers/gasearch_workers"]))
    foreign = {item.library for item in imports} - set(sys.stdlib_module_names) - {"gasearch_workers"} - OPTIONAL
    for library in sorted(foreign):
        if DISTRIBUTIONS.get(library, library) not in stages["worker"].installs:
            yield f"workers imports {library}, which its image doesn't install"


Rule = Callable[[dict[str, Stage]], Iterator[str]]
#: Each rule, a change of the Dockerfile that breaks it, and the sentence that must come.
OFFENDERS: list[tuple[Rule, str, str, str]] = [
    (images_run_as_a_numbered_user, "USER 10001:10001", "USER gasearch", "worker runs as gasearch"),
    (images_run_as_a_numbered_user, "USER 10001:10001", "", "worker runs as root"),
    (images_have_a_writable_home, 'VOLUME ["/home/gasearch"]', "", "worker has no HOME on a volume"),
    (images_stop_and_report, "STOPSIGNAL SIGTERM", "", "worker has no STOPSIGNAL"),
    (images_stop_and_report, "HEALTHCHECK", "LABEL", "worker has no HEALTHCHECK"),
    (images_say_what_they_are, "image.version", "image.vendor", "worker has no label org.opencontainers.image.version"),
    (no_layer_holds_a_secret, "ARG VERSION=dev", "ARG DB_PASSWORD", "looks like a secret: DB_PASSWORD"),
    (nothing_is_copied_whole, "COPY gasearch gasearch", "COPY . .", "builder copies the whole folder"),
    (every_node_has_one_python, "FROM python:${PYTHON}-slim AS runtime", "FROM python:3.11 AS runtime", "one Python"),
    (every_version_is_pinned, "--constraint", "--upgrade", "builder installs without the constraints"),
    (
        the_worker_knows_no_database,
        "safetensors scikit-learn",
        "safetensors scikit-learn sqlalchemy",
        "the worker installs sqlalchemy",
    ),
    (
        the_worker_knows_no_database,
        "COPY workers /opt",
        "COPY gasearch /opt",
        "the worker copies gasearch",
    ),
    (the_worker_has_what_its_code_imports, "onnxruntime ray", "ray", "workers imports onnxruntime"),
]
RULES = list(dict.fromkeys(rule for rule, *_ in OFFENDERS))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_dockerfile_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(read_stages(DOCKERFILE))) == []


@pytest.mark.parametrize(
    ("rule", "good", "bad", "message"), OFFENDERS, ids=[f"{rule.__name__}-{bad}" for rule, _, bad, _ in OFFENDERS]
)
def test_the_rule_catches_a_worse_dockerfile(rule: Rule, good: str, bad: str, message: str) -> None:
    assert good in DOCKERFILE
    assert any(message in problem for problem in rule(read_stages(DOCKERFILE.replace(good, bad))))


def test_the_build_context_holds_what_the_dockerfile_copies_and_no_secret() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = set()
    for stage in read_stages(DOCKERFILE).values():
        for arguments in stage.all("COPY"):
            copied |= {word for word in arguments.split()[:-1] if not word.startswith("--")}
    assert copied == allowed
    assert {name for name in copied if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("script", ["entrypoint.sh", "controller.sh"])
def test_the_scripts_of_the_images_are_executable_and_stop_at_the_first_error(script: str) -> None:
    path = ROOT / "docker" / script
    assert path.stat().st_mode & 0o111
    assert path.read_text().startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in path.read_text()
