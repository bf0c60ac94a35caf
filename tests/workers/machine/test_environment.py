"""What an evaluation sees of its worker's environment."""

import dataclasses
import os

import pytest
from gasearch_workers.machine.environment import is_name, is_secret, scrubbed
from gasearch_workers.sandbox.host import TrialHost

from tests.doubles.requests import custom_request

SECRETS = {
    "GASEARCH_DB": "postgresql://me:secret@host/db",
    "GASEARCH_TOKEN": "secret",
    "RAY_AUTH_TOKEN": "secret",
    "RAY_AUTH_TOKEN_PATH": "/secret",
    "PGPASSWORD": "secret",
    "DATABASE_URL": "postgresql://secret",
    "MY_DATABASE_URL": "postgresql://secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "GITHUB_TOKEN": "secret",
    "HF_TOKEN": "secret",
}
HARMLESS = {
    "PATH": "/bin",
    "LC_ALL": "C",
    "PYTHONPATH": "/mine",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "3",
    "HF_HOME": "/cache",
}


def test_harmless_variables_pass_and_all_others_do_not():
    assert scrubbed(SECRETS | HARMLESS) == HARMLESS


def test_a_named_variable_passes():
    assert scrubbed({"HF_TOKEN": "secret", "GITHUB_TOKEN": "secret"}, ("HF_TOKEN", "MISSING")) == {"HF_TOKEN": "secret"}


@pytest.mark.parametrize("name", ["GASEARCH_DB", "RAY_AUTH_TOKEN", "PGPASSWORD", "MY_DATABASE_URL", "ray_auth_token"])
def test_what_opens_the_database_or_the_cluster_never_passes(name):
    assert is_secret(name)
    assert scrubbed({name: "secret"}, (name,)) == {}


@pytest.mark.parametrize(
    ("name", "expected"), [("A_1", True), ("1A", False), ("A-B", False), ("", False), ("Ä", False)]
)
def test_a_name_is_letters_digits_and_underscores(name, expected):
    assert is_name(name) is expected


def test_an_evaluation_and_its_children_see_none_of_our_secrets(monkeypatch, tmp_path):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    host = TrialHost(None, environment=("HF_TOKEN",))
    request = custom_request(evaluator="tests.doubles.poisoned:tells_its_environment", file=str(tmp_path / "seen"))
    result, _ = host.prepare(dataclasses.replace(request, time_limit_s=20.0))
    host.close()
    assert dict(result.outcome.others) == {"error": 0.0}
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().split("\0") if line)
    assert "secret" not in {value for name, value in seen.items() if name != "HF_TOKEN"}
    assert not set(seen) & (set(SECRETS) - {"HF_TOKEN"})
    assert seen["HF_TOKEN"] == "secret"
    assert seen["CUDA_VISIBLE_DEVICES"] == "3"
    assert seen["TMPDIR"].startswith(host.folder)
    assert seen["PATH"] == os.environ["PATH"]
