"""Inherited weights on a cluster of two nodes: they reach both, or the search is refused before it begins."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.readme.commands import Place, end, free_port, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]  # whole commands, one after the other

SETTINGS = (
    "recipe.inherit=true",
    "objectives={accuracy: max, model_bytes: min}",
    "early_stop=false",
    "evolution={population: 4, replicates: 0}",
    "budget.evaluations=12",
    "workers.count=2",
)
IS_UP = "This command will now block forever"


class Cluster:
    """A head and another node of one CPU each; the other one has an empty folder in the place of `hidden`."""

    def __init__(self, folder, *, hidden=None):
        self.place, port = Place(folder), free_port()
        self.address = f"127.0.0.1:{port}"
        options = "--num-cpus 1 --block"
        self.place.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 64}
        self._nodes = [self.place.start(f"ray start --head --port {port} --include-dashboard=false {options}")]
        try:
            until(lambda: IS_UP in self.place.log(), within_s=150)
            join = f"ray start --address {self.address} {options}"
            if hidden is not None:
                join = f"unshare --mount sh -c 'mount -t tmpfs none {hidden} && exec {join}'"
            self._nodes.append(self.place.start(join, log="node.log"))
            until(lambda: IS_UP in self.place.log("node.log"), within_s=150)
        except BaseException:
            self.end()
            raise

    def search(self):
        settings = (*SETTINGS, f"workers.address={self.address}")
        options = [word for setting in settings for word in ("--set", setting)]
        return subprocess.run(
            [sys.executable, "-m", "gasearch", "run", "examples/digits.yaml", *options],
            cwd=self.place.folder,
            env=self.place.environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def end(self):
        for node in reversed(self._nodes):
            end(node)


def test_children_on_either_node_begin_with_weights_that_the_other_one_left(tmp_path):
    cluster = Cluster(tmp_path)
    try:
        done = cluster.search()
    finally:
        cluster.end()
    assert done.returncode == 0, done.stderr
    script = (
        "import gasearch, json; found = gasearch.open('digits').evaluations(); "
        "print(json.dumps([[one.number, one.parents, one.worker, one.metrics['images_seen']] for one in found]))"
    )
    networks = {row[0]: row[1:] for row in json.loads(cluster.place.run(f'{sys.executable} -c "{script}"'))}
    from_scratch = min(seen for _, _, seen in networks.values())
    across = [
        (seen, networks[parents[0]][2])
        for parents, worker, seen in networks.values()
        if parents and networks[parents[0]][1] != worker
    ]
    assert len({worker for _, worker, _ in networks.values()}) == 2
    assert any(seen == from_scratch + of_parent for seen, of_parent in across), networks


def _can_hide_folders():
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_hide_folders(), reason="this user may not make mount namespaces")
def test_a_node_that_does_not_see_the_weights_is_told_before_anything_is_trained(tmp_path):
    weights = tmp_path / "cache/gasearch/weights"
    weights.mkdir(parents=True)
    cluster = Cluster(tmp_path, hidden=weights)
    cluster.place.environment["GASEARCH_CACHE"] = str(weights.parent)
    try:
        done = cluster.search()
    finally:
        cluster.end()
    assert done.returncode == 1
    assert f"doesn't see what the controller has in {weights}; name a folder that all machines share" in done.stderr
    assert "1/12 evaluations" not in done.stderr
    assert not list(weights.iterdir())
