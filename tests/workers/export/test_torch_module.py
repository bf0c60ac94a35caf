import json

import numpy as np
import pytest
import torch
from gasearch_workers.export.artifact import ArtifactError, read_artifact, write_artifact
from gasearch_workers.export.description import describe_files
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.export.torch_module import load_network

from tests.workers.integer_networks import FAMILIES, present, random_blueprint, random_network, random_raw


@pytest.fixture
def written(tmp_path):
    """Writes an artifact of a random network; the folder, the network and the random generator."""

    def write(family):
        rng = np.random.default_rng(2)
        blueprint = random_blueprint(rng, family=family, bits=(4, 8), widths=(8, 16), layers=(1, 2), is_compressed=True)
        network = random_network(blueprint, rng)
        write_artifact(tmp_path, network, blueprint=blueprint, samples=random_raw(rng, network, 2), description={})
        return tmp_path, network, rng

    return write


@pytest.mark.parametrize("family", FAMILIES)
def test_the_module_of_an_artifact_answers_as_its_graph_does(written, family):
    folder, network, rng = written(family)
    x = random_raw(rng, network, 100)
    with torch.no_grad():
        found = load_network(folder)(torch.from_numpy(x)).numpy()
    expected = run_onnx((folder / "model.onnx").read_bytes(), x)
    counts = present(network, x)
    assert (found[counts].argmax(axis=-1) == expected[counts].argmax(axis=-1)).mean() >= 0.99


def rewrite(folder, **changes):
    """Change `model.json`, its list of files brought up to date."""
    content = json.loads((folder / "model.json").read_text())
    files = {name: (folder / name).read_bytes() for name in content["files"] if (folder / name).exists()}
    (folder / "model.json").write_text(json.dumps(content | {"files": describe_files(files)} | changes))


def test_an_artifact_without_weights_or_with_those_of_another_network_is_named(written):
    folder, *_ = written("mlp")
    blueprint = read_artifact(folder)["blueprint"]
    wider = [*blueprint["layers"][:-1], blueprint["layers"][-1] | {"width": 77}]
    rewrite(folder, blueprint=blueprint | {"layers": wider})
    with pytest.raises(ArtifactError, match=r"model.safetensors: .*size mismatch for steps.head:linear"):
        load_network(folder)
    rewrite(folder, blueprint=blueprint | {"family": "quantum"})
    with pytest.raises(ArtifactError, match=r"model.safetensors: there is no family 'quantum'"):
        load_network(folder)
    rewrite(folder, blueprint=blueprint)
    (folder / "model.safetensors").unlink()
    rewrite(folder)
    with pytest.raises(ArtifactError, match=r"holds no model.safetensors: export it again with this version"):
        load_network(folder)


def test_nothing_in_the_weights_is_executed(written):
    folder, *_ = written("mlp")
    (folder / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.")
    rewrite(folder)
    with pytest.raises(ArtifactError, match=r"they are no safetensors file"):
        load_network(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda blueprint: {"choices": {"width": 8}},
        lambda blueprint: {},
        lambda blueprint: blueprint | {"layers": [{"kind": "linear", "colour": "red"}]},
        lambda blueprint: blueprint | {"layers": 7},
        lambda blueprint: blueprint | {"layers": [layer | {"width": 10**30} for layer in blueprint["layers"]]},
        lambda blueprint: blueprint | {"input_shape": [10**20] * 3},
        lambda blueprint: [],
    ],
)
def test_a_blueprint_that_is_none_of_ours_is_refused(written, change):
    folder, _, _ = written("cnn")
    rewrite(folder, blueprint=change(json.loads((folder / "model.json").read_text())["blueprint"]))
    with pytest.raises(ArtifactError):
        load_network(folder)
