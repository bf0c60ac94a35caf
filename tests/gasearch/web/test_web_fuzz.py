"""Schemathesis against the service as nobody, as a reader and as an admin: no 5xx, nothing that isn't declared."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import closing

import pytest

from gasearch.jobs.tokens import create_token
from gasearch.storage.access import Role
from gasearch.storage.sql import open_reader
from gasearch.web import create_app
from tests.doubles.archived import fill_database, search_record
from tests.doubles.service import TOKEN, serving

#: What it holds against us on purpose: 429 to many wrong tokens, and 422 to what no schema can say (a limit's text).
NOT_OURS = "ignored_auth,positive_data_acceptance"


@pytest.mark.slow
@pytest.mark.parametrize("role", [None, *Role])
def test_every_answer_is_a_declared_one(tmp_path, role):
    program = shutil.which("schemathesis")
    if program is None:
        pytest.skip("schemathesis isn't installed: pip install schemathesis, in an environment of its own")
    url = f"sqlite:///{tmp_path}/store.db"
    fill_database(url)
    fill_database(url, search_record("other"))
    secret = "" if role is None else create_token(url, "fuzz", role, notice=pytest.fail)[0]
    app = create_app(url, TOKEN)
    (tmp_path / "api.json").write_text(json.dumps(app.openapi()))
    with serving(app) as port:
        command = [program, "run", str(tmp_path / "api.json"), "--url", f"http://127.0.0.1:{port}", "--seed", "1"]
        command += ["--exclude-checks", NOT_OURS, "--phases", "coverage,fuzzing", "-n", "30"]
        command += ["-H", f"Authorization: Bearer {secret}"] if secret else []
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout
    with closing(open_reader(url)) as reader:
        assert [one.name for one in reader.searches()] == ["other", "digits"]
