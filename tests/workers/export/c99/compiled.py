"""Integer networks that the C form holds, and what their files give when they are compiled: many by one compilation."""

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pytest
from gasearch_workers.export.c99.files import refusal, to_c
from gasearch_workers.network.plan import plan
from gasearch_workers.runtimes.c99 import compiler

from tests.workers.integer_networks import random_blueprint, random_network, random_raw

BITS = (2, 3, 4, 5, 6, 7, 8)
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion")
SANITIZERS = ("-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
FAMILIES = ("mlp", "cnn", "text", "cnn", "recommender", "cnn", "tagger", "transformer")

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C compiler is installed")

MAIN = """\
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words)
{
    static char input[1 << 16];
    static float output[1 << 12];
    int number = count > 1 ? atoi(words[1]) : 0;
    while (fread(input, sizes[number], 1, stdin) == 1) {
        if (predict[number](input, output) != 0)
            return 2;
        fwrite(output, sizeof(float), outputs[number], stdout);
    }
    return 0;
}
"""


def random_networks(count, families=FAMILIES, seed=0, samples=20):
    """(network, raw samples) of random blueprints that the C form holds."""
    found = []
    while len(found) < count:
        rng = np.random.default_rng([seed, len(found)])
        seed += 1
        blueprint = random_blueprint(
            rng, family=families[len(found) % len(families)], bits=BITS, is_compressed=bool(rng.random() < 0.7)
        )
        blueprint = dataclasses.replace(blueprint, layers=tuple(map(_binary_at_times(rng), blueprint.layers)))
        if refusal(plan(blueprint)):
            continue
        network = random_network(blueprint, rng)
        found.append((network, random_raw(rng, network, samples)))
    return found


def _binary_at_times(rng):
    return lambda layer: dataclasses.replace(layer, weight_bits=1) if rng.random() < 0.15 else layer


def outputs_of(cases, folder, flags, command="cc", language="c"):
    """The outputs of each network for its samples, by a program of them all."""
    folder.mkdir(exist_ok=True)
    sources, main = [], []
    for number, (network, x) in enumerate(cases):
        own = folder / f"n{number}"
        own.mkdir()
        for name, content in to_c(network, x).items():
            (own / name).write_bytes(content)
        wrapper = folder / f"n{number}.{language}"
        wrapper.write_text(
            f'#define gasearch_predict predict{number}\n#include "n{number}/model.c"\n'
            f"int call{number}(const void *input, float *output);\n"
            f"int call{number}(const void *input, float *output)\n"
            f"{{ return predict{number}((const gasearch_input_t *)input, output); }}\n"
        )
        sources.append(wrapper.name)
        main.append(f"int call{number}(const void *input, float *output);")
    numbers = range(len(cases))
    tables = [
        f"static int (*predict[])(const void *, float *) = {{{', '.join(f'call{number}' for number in numbers)}}};",
        f"static unsigned sizes[] = {{{', '.join(str(x[0].nbytes) for _, x in cases)}}};",
        "static unsigned outputs[] = {"
        + ", ".join(str(int(np.prod(network.plan.steps[-1].output_shape))) for network, _ in cases)
        + "};",
    ]
    (folder / f"main.{language}").write_text("\n".join([*main, *tables, MAIN]))
    run([command, *flags, *sources, f"main.{language}", "-o", "program"], folder)
    return [
        np.frombuffer(run([folder / "program", str(number)], folder, x.tobytes()), np.float32).reshape(
            len(x), *network.plan.steps[-1].output_shape
        )
        for number, (network, x) in enumerate(cases)
    ]


def run(command, folder, stdin=b""):
    """The stdout of a command; what it says is in the error if it fails."""
    done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, f"{Path(command[0]).name}: {done.returncode}\n{done.stderr.decode()[-3000:]}"
    return done.stdout
