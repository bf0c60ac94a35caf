"""A Ray cluster of several nodes on this machine; as a program, it obeys what it reads: "add" and "remove" a node."""

from __future__ import annotations

import sys


def main(port: int) -> None:
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "gcs_server_port": port, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "add":
            nodes.append(cluster.add_node(num_cpus=1))
        else:
            cluster.remove_node(nodes.pop(0), allow_graceful=False)
        print("done", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
