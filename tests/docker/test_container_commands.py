"""Every `gasearch` command that the containers and their page use exists, with the options that they give it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from gasearch.cli import app
from tests.docker.dockerfile import read_stages

DOCKER = Path(__file__).parents[2] / "docker"
COMMAND = re.compile(r"(?<![\w./-])gasearch ((?:[a-z]+ ?)+)([^\n|;`)]*)")


def used_commands() -> Iterator[str]:
    """The commands as one line each, from the compose file, the Dockerfile, the scripts and the page."""
    compose = YAML(typ="safe", pure=True).load((DOCKER / "compose.yaml").read_text())
    for service in compose["services"].values():
        yield " ".join(service.get("command", ()))
        yield " ".join(service.get("healthcheck", {}).get("test", ()))
    for stage in read_stages((DOCKER / "Dockerfile").read_text()).values():
        for arguments in [*stage.all("CMD"), *stage.all("HEALTHCHECK")]:
            yield " ".join(re.findall(r'"(.*?)"', arguments))
    yield from (line for line in (DOCKER / "controller.sh").read_text().splitlines() if not line.startswith("#"))
    for block in re.findall(r"```sh\n(.*?)```", (DOCKER / "README.md").read_text(), flags=re.DOTALL):
        yield from block.splitlines()


def parse(line: str) -> Iterator[tuple[list[str], list[str]]]:
    """The words and the options of each `gasearch` command in a line."""
    for match in COMMAND.finditer(line.split(" #")[0]):
        yield match[1].split(), re.findall(r"--[a-z][a-z-]*", match[0])


def unknown(words: list[str], options: list[str]) -> str:
    """What the command line doesn't know of a command; "" if all is known."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if not hasattr(command, "commands"):
            break
        if word not in command.commands:
            return f"no command {word}"
        command = command.commands[word]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return ", ".join(f"{' '.join(words)} has no {option}" for option in options if option not in known)


def test_every_command_of_the_containers_exists() -> None:
    found = [command for line in used_commands() for command in parse(line)]
    assert {words[0] for words, _ in found if words} >= {"run", "resume", "serve", "db", "status", "best"}
    assert [problem for command in found if command[0] and (problem := unknown(*command))] == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("exec gasearch launch spec.yaml", "no command launch"),
        ("gasearch db downgrade", "no command downgrade"),
        ("gasearch serve --hosts 0.0.0.0", "serve has no --hosts"),
    ],
)
def test_an_unknown_command_is_found(line: str, message: str) -> None:
    assert [unknown(*command) for command in parse(line)] == [message]
