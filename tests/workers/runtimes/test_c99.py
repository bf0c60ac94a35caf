"""The C form in a process of its own: exact, and only what we have written is compiled."""

import numpy as np
import pytest
from gasearch_workers.export.c99.integers import run_integers
from gasearch_workers.export.exporters import C99, GAP
from gasearch_workers.runtimes import c99
from gasearch_workers.runtimes.runtime import RUNTIMES

from tests.workers.export.c99.compiled import needs_compiler, random_networks


@pytest.fixture
def artifact(tmp_path):
    """(network, samples, folder): an MLP's files."""
    network, x = random_networks(1, ("cnn",))[0]
    for form in (C99, GAP):
        for name, content in form.write(network, x).items():
            (tmp_path / name).write_bytes(content)
    return network, x, tmp_path


@needs_compiler
def test_it_gives_the_integer_rule_s_outputs(artifact):
    network, x, folder = artifact
    runtime = RUNTIMES.get("c99")
    assert runtime.version()
    np.testing.assert_array_equal(runtime.run(folder, x), run_integers(network, x))


@pytest.mark.parametrize("name", ["model.c", "model.h"])
def test_an_edited_file_is_not_compiled(name, artifact):
    _, x, folder = artifact
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    with pytest.raises(ValueError, match=rf"{name} is not what .* writes for model.gap.*Export the network again"):
        c99.run(folder, x)


def test_samples_of_another_shape_are_refused(artifact):
    _, x, folder = artifact
    with pytest.raises(ValueError, match="samples must have the shape"):
        c99.run(folder, x[:, :, :-1])


def test_where_there_is_no_compiler_it_is_not_installed(artifact, monkeypatch):
    _, x, folder = artifact
    monkeypatch.setenv("PATH", "")
    c99.version.cache_clear()
    assert c99.version() is None
    c99.version.cache_clear()
    with pytest.raises(c99.CompilerError, match="there is no C compiler"):
        c99.run(folder, x)


@needs_compiler
def test_what_a_failing_compiler_says_is_in_the_error(tmp_path):
    with pytest.raises(c99.CompilerError, match=r"(?s)ended with status 1: .*nothing"):
        c99.compile_files(tmp_path, {"main.c": b"int main(void) { return nothing; }"}, [c99.compiler()])


def test_a_command_that_hangs_or_is_not_there_is_an_error():
    with pytest.raises(c99.CompilerError, match="can't be started"):
        c99.execute(["/no/such/compiler"], seconds=1)
    with pytest.raises(c99.CompilerError, match=r"sleep took more than 0.1 s"):
        c99.execute(["sleep", "20"], seconds=0.1)
