"""What must hold of the compose file; no engine is needed, and each rule is shown to catch a worse file."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.docker.dockerfile import read_stages

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker/compose.yaml").read_text()
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIAL|PASSFILE")
Compose = dict[str, Any]


def read_compose() -> Compose:
    loaded: Compose = YAML(typ="safe", pure=True).load(TEXT)
    return loaded


def is_one_shot(service: dict[str, Any]) -> bool:
    return bool(service.get("restart") == "no")


def services(compose: Compose) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from compose["services"].items()


def ours(compose: Compose) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, service) for name, service in services(compose) if "build" in service)


def long_services_restart_and_report(compose: Compose) -> Iterator[str]:
    for name, service in services(compose):
        if is_one_shot(service):
            continue
        if not re.match(r"unless-stopped|always|on-failure", service.get("restart", "no")):
            yield f"{name} isn't restarted"
        if "test" not in service.get("healthcheck", {}):
            yield f"{name} has no health check"


def only_the_service_is_published(compose: Compose) -> Iterator[str]:
    for name, service in services(compose):
        for port in service.get("ports", ()):
            if name != "api" or not str(port).startswith("127.0.0.1:"):
                yield f"{name} publishes {port}; only the API may be reached, on the loopback"
        if "outside" in service.get("networks", ()) and name != "api":
            yield f"{name} is on the outer network"
        if "network_mode" in service:
            yield f"{name} leaves the inner network"
    if not compose["networks"]["inside"].get("internal"):
        yield "the inner network is open"


def secrets_come_from_files(compose: Compose) -> Iterator[str]:
    for name, service in services(compose):
        for key, value in service.get("environment", {}).items():
            is_path = key.endswith(("_FILE", "_PATH")) and str(value).startswith("/run/secrets/")
            if (SECRET.search(key) and not is_path) or re.search(r"://[^/@]*:[^/@]*@", str(value)):
                yield f"{name} has a secret in its environment: {key}"
        for secret in service.get("secrets", ()):
            # Compose can't mount a secret that comes from the environment where the root file system is read-only.
            if "file" not in compose["secrets"].get(secret, {}):
                yield f"{name} uses the secret {secret}, which comes from no file"
    for key, value in ((k, v) for _, s in services(compose) for k, v in s.get("environment", {}).items()):
        if str(value).startswith("/run/secrets/") and Path(value).name not in compose["secrets"]:
            yield f"{key} names {value}, which isn't mounted"


def ray_asks_for_its_token(compose: Compose) -> Iterator[str]:
    for name, service in services(compose):
        command = " ".join(service.get("command", ()))
        if not re.search(r"\bray start\b|controller\.sh", command):
            continue
        environment = service.get("environment", {})
        if environment.get("RAY_AUTH_MODE") != "token" or "RAY_AUTH_TOKEN_PATH" not in environment:
            yield f"{name} runs Ray without its token; anyone who reaches the port runs code"
        if "ray_token" not in service.get("secrets", ()):
            yield f"{name} has no ray_token"
        if "shm_size" not in service:
            yield f"{name} has no shm_size for Ray's object store"


def the_head_takes_no_work(compose: Compose) -> Iterator[str]:
    if "--num-cpus=0" not in compose["services"]["ray-head"]["command"]:
        yield "the head trains networks; when memory runs out, the whole cluster goes"


def one_node_measures_latency(compose: Compose) -> Iterator[str]:
    nodes = [name for name, service in services(compose) if "latency_slot" in " ".join(service.get("command", ()))]
    if len(nodes) != 1:
        yield f"latency is measured on one device; {nodes} have the slot"


def our_services_are_confined(compose: Compose) -> Iterator[str]:
    for name, service in ours(compose):
        if not (service.get("read_only") and service.get("init") and service.get("cap_drop") == ["ALL"]):
            yield f"{name} isn't confined: read_only, init and cap_drop"
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name} may gain privileges"
        if service.get("privileged") or "user" in service:
            yield f"{name} changes its user"


def targets_exist(compose: Compose) -> Iterator[str]:
    stages = read_stages((ROOT / "docker/Dockerfile").read_text())
    for name, service in ours(compose):
        build = service["build"]
        if build["target"] not in stages:
            yield f"{name} is built from {build['target']}, a target that the Dockerfile hasn't"
        if not (ROOT / "docker" / build["context"] / build["dockerfile"]).exists():
            yield f"{name} is built from {build['dockerfile']}, which doesn't exist"


def gpus_are_reserved_in_a_profile(compose: Compose) -> Iterator[str]:
    gpu = {name: s["deploy"]["resources"]["reservations"]["devices"] for name, s in services(compose) if "deploy" in s}
    if not gpu:
        yield "no service reserves a GPU"
    for name, devices in gpu.items():
        if compose["services"][name].get("profiles") != ["gpu"]:
            yield f"{name} asks for a GPU on every machine; it belongs to the profile gpu"
        for device in devices:
            if "gpu" not in device.get("capabilities", ()) or {"count", "device_ids"} <= set(device):
                yield f"{name} reserves a device without capabilities, or both by count and by name"


def each_waits_for_what_can_happen(compose: Compose) -> Iterator[str]:
    for name, service in services(compose):
        for other, wait in service.get("depends_on", {}).items():
            needed = compose["services"].get(other)
            match wait["condition"]:
                case _ if needed is None:
                    yield f"{name} waits for {other}, which doesn't exist"
                case "service_completed_successfully" if not is_one_shot(needed):
                    yield f"{name} waits for the end of {other}, which never ends"
                case "service_healthy" if "test" not in needed.get("healthcheck", {}):
                    yield f"{name} waits for the health of {other}, which reports none"
                case "service_started":
                    yield f"{name} doesn't wait until {other} is ready"


Rule = Callable[[Compose], Iterator[str]]
Change = tuple[str, str, Any]  #: service, key, its worse value (None: without it)
#: Each rule, a change of one service that breaks it, and the sentence that must come.
OFFENDERS: list[tuple[Rule, Change, str]] = [
    (long_services_restart_and_report, ("db", "healthcheck", None), "db has no health check"),
    (long_services_restart_and_report, ("api", "restart", None), "api isn't restarted"),
    (
        only_the_service_is_published,
        ("ray-head", "ports", ["127.0.0.1:6379:6379"]),
        "ray-head publishes 127.0.0.1:6379",
    ),
    (only_the_service_is_published, ("api", "ports", ["8080:8080"]), "api publishes 8080:8080"),
    (only_the_service_is_published, ("db", "network_mode", "host"), "db leaves the inner network"),
    (secrets_come_from_files, ("db", "environment", {"POSTGRES_PASSWORD": "x"}), "secret in its environment: POSTGRES"),
    (
        secrets_come_from_files,
        ("api", "environment", {"GASEARCH_DB": "postgresql://a:b@db/c"}),
        "environment: GASEARCH_DB",
    ),
    (secrets_come_from_files, ("api", "secrets", ["unknown"]), "api uses the secret unknown"),
    (ray_asks_for_its_token, ("ray-worker", "environment", {}), "ray-worker runs Ray without its token"),
    (ray_asks_for_its_token, ("controller", "secrets", ["db_password"]), "controller has no ray_token"),
    (ray_asks_for_its_token, ("ray-head", "shm_size", None), "ray-head has no shm_size"),
    (the_head_takes_no_work, ("ray-head", "command", ["ray", "start", "--head"]), "the head trains networks"),
    (one_node_measures_latency, ("ray-worker", "command", ["ray", "start"]), "[] have the slot"),
    (our_services_are_confined, ("api", "read_only", False), "api isn't confined"),
    (our_services_are_confined, ("api", "security_opt", None), "api may gain privileges"),
    (our_services_are_confined, ("api", "user", "root"), "api changes its user"),
    (
        targets_exist,
        ("api", "build", {"context": "..", "dockerfile": "docker/Dockerfile", "target": "web"}),
        "target that",
    ),
    (gpus_are_reserved_in_a_profile, ("ray-worker-gpu", "profiles", None), "asks for a GPU on every machine"),
    (gpus_are_reserved_in_a_profile, ("ray-worker-gpu", "deploy", None), "no service reserves a GPU"),
    (
        gpus_are_reserved_in_a_profile,
        ("ray-worker-gpu", "deploy", {"resources": {"reservations": {"devices": [{"count": "all"}]}}}),
        "without capabilities",
    ),
    (
        each_waits_for_what_can_happen,
        ("controller", "depends_on", {"ray-head": {"condition": "service_completed_successfully"}}),
        "controller waits for the end of ray-head",
    ),
    (
        each_waits_for_what_can_happen,
        ("api", "depends_on", {"migrate": {"condition": "service_healthy"}}),
        "api waits for the health of migrate",
    ),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in OFFENDERS))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_compose_file_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(read_compose())) == []


@pytest.mark.parametrize(
    ("rule", "change", "message"), OFFENDERS, ids=[f"{rule.__name__}-{c[0]}-{c[1]}" for rule, c, _ in OFFENDERS]
)
def test_the_rule_catches_a_worse_compose_file(rule: Rule, change: Change, message: str) -> None:
    compose = copy.deepcopy(read_compose())
    name, key, value = change
    if value is None:
        del compose["services"][name][key]
    else:
        compose["services"][name][key] = value
    assert any(message in problem for problem in rule(compose))


def test_it_has_the_services_that_the_readme_names() -> None:
    assert set(read_compose()["services"]) == {
        "db", "migrate", "ray-head", "ray-worker", "ray-worker-gpu", "controller", "api",
    }  # fmt: skip


def test_every_setting_stands_in_the_example() -> None:
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    offered = set(re.findall(r"^# ([A-Z_]+)=", (ROOT / "docker/.env.example").read_text(), flags=re.MULTILINE))
    assert used == offered


def test_git_ignores_the_secrets_and_the_settings() -> None:
    assert {"docker/secrets/", "docker/.env"} <= set((ROOT / ".gitignore").read_text().splitlines())
