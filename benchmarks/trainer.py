"""CPU time of our trainer against a bare hand-written loop, and against a DataLoader that transforms image by image.

    python -m benchmarks.trainer

The bare loop trains the same network on the same resident data: what the trainer's guards and bookkeeping cost. The
DataLoader loop is how such a network is commonly trained: torch.nn layers, each image converted to float and normalized
when it is fetched (the operations of torchvision's ToTensor and Normalize), plain Adam. It has a process of its own,
because a worker's process keeps the memory that each step frees (`training.allocator`) and a common one
doesn't; with --shared both run in the worker's. Loops take turns; each ratio is the median over the rounds of (other
loop's CPU seconds / trainer's). The images are random: speed doesn't depend on them.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
from multiprocessing.connection import Connection

import torch
import torch.nn.functional as F
from gasearch_workers.messages import Fidelity, Recipe
from gasearch_workers.modules.build import Network
from gasearch_workers.training.allocator import keep_freed_memory
from gasearch_workers.training.resident import ResidentSplit, use_one_thread
from gasearch_workers.training.train import train
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.support.networks import cnn, make_network, mlp, random_images, torch_cnn, torch_mlp
from benchmarks.support.timing import Targets, alternate, conditions, cpu_seconds, ratio

BARE_TARGET = 0.90
LOADER_TARGETS = {"mlp": 2.5, "cnn": 1.5}
RECIPE = Recipe(batch_size=128)
NETWORKS = {"cnn, 4 bits": cnn(4), "cnn, float": cnn(32), "mlp, 4 bits": mlp(4), "mlp, float": mlp(32)}
PEERS = {"mlp": (mlp(32), torch_mlp), "cnn": (cnn(32), torch_cnn)}


def main() -> None:
    """Print each ratio with its conditions; fail below a target."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--images", type=int, default=3_200)
    arguments.add_argument("--shared", action="store_true", help="the DataLoader loop in the trainer's process")
    options = arguments.parse_args()
    use_one_thread()
    keep_freed_memory()  # as every worker does; both loops profit
    data, targets = random_images(options.images), Targets()
    print(
        f"{conditions('torch')}, {torch.get_num_threads()} thread; {options.images} images of 1x28x28, batch "
        f"{RECIPE.batch_size}, median of {options.rounds} alternating rounds, CPU time"
    )
    for name, layers in NETWORKS.items():
        seconds = alternate(
            {
                "bare": lambda layers=layers: bare_loop(make_network(layers, data), data),
                "ours": lambda layers=layers: our_loop(make_network(layers, data), data),
            },
            options.rounds,
        )
        found = ratio(seconds["bare"], seconds["ours"])
        rate = options.images / statistics.median(seconds["ours"])
        print(f"{name}: bare loop / trainer {found:.3f} ({rate:,.0f} images per CPU second)")
        targets.at_least(f"{name}: bare loop / trainer", found, BARE_TARGET)
    for name in PEERS:
        seconds = against_loader(name, options.images, options.rounds, is_shared=options.shared)
        found = ratio(seconds["loader"], seconds["ours"])
        rates = [options.images / statistics.median(seconds[loop]) for loop in ("loader", "ours")]
        print(
            f"{name}, float: DataLoader loop / trainer {found:.2f} ({rates[0]:,.0f} and {rates[1]:,.0f} images per CPU "
            f"second{', in one process' if options.shared else ''})"
        )
        targets.at_least(f"{name}: DataLoader loop / trainer", found, LOADER_TARGETS[name])
    targets.check()


def against_loader(name: str, images: int, rounds: int, *, is_shared: bool) -> dict[str, list[float]]:
    """CPU seconds per round of both loops on one family's network; the first round is not counted."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for is_worker in (True,) if is_shared else (True, False):
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, images, is_worker), daemon=True)
        process.start()
        pipes.append(ours)
        processes.append(process)
    seconds: dict[str, list[float]] = {"loader": [], "ours": []}
    for loop in ("loader", "ours") * (rounds + 1):
        pipe = pipes[-1] if loop == "loader" else pipes[0]
        pipe.send((loop, name))
        seconds[loop].append(pipe.recv())
    for pipe in pipes:
        pipe.send(None)
    for process in processes:
        process.join()
    return {loop: values[1:] for loop, values in seconds.items()}


def serve(pipe: Connection, images: int, is_worker: bool) -> None:
    """Run the loops that are asked for and answer with their CPU seconds, until None comes."""
    use_one_thread()
    if is_worker:
        keep_freed_memory()
    data = random_images(images)
    while (asked := pipe.recv()) is not None:
        loop, name = asked
        layers, make_peer = PEERS[name]
        if loop == "ours":
            pipe.send(cpu_seconds(lambda layers=layers: our_loop(make_network(layers, data), data)))
        else:
            pipe.send(cpu_seconds(lambda make_peer=make_peer: loader_loop(make_peer(), data)))


def our_loop(network: Network, data: ResidentSplit) -> None:
    """One epoch by the trainer."""
    train(network, data, RECIPE, fidelity=Fidelity(epochs=1), seed=0)


def bare_loop(network: Network, data: ResidentSplit) -> None:
    """One epoch as one would write it by hand, with the same schedule and nothing that guards it."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RECIPE.learning_rate, fused=True)
    batches = torch.randperm(len(data)).split(RECIPE.batch_size)
    for step, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 0.5 * RECIPE.learning_rate * (1 + math.cos(math.pi * step / len(batches)))
        loss = F.cross_entropy(network(data.x[batch]), data.y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class TransformedImages(Dataset[tuple[Tensor, int]]):
    """Images that are converted and normalized one by one, when they are fetched."""

    def __init__(self, data: ResidentSplit) -> None:
        self.data = data
        self.mean, self.deviation = (0.1307,), (0.3081,)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """(1, 28, 28) float32 and its label, by the operations of ToTensor and Normalize."""
        image = self.data.x[index].to(torch.float32).div(255)
        mean = torch.as_tensor(self.mean).view(-1, 1, 1)
        deviation = torch.as_tensor(self.deviation).view(-1, 1, 1)
        return image.clone().sub_(mean).div_(deviation), int(self.data.y[index])


def loader_loop(network: nn.Module, data: ResidentSplit) -> None:
    """One epoch with a DataLoader and plain Adam, the learning rate on the same cosine."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RECIPE.learning_rate)
    loader = DataLoader(TransformedImages(data), batch_size=RECIPE.batch_size, shuffle=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=len(loader))
    network.train()
    for images, labels in loader:
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


if __name__ == "__main__":
    main()
