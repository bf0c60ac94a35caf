"""Every kind of layer trains on few channels, on a CPU with AVX2 and no AVX-512 too."""

import os
import subprocess
import sys
from pathlib import Path


def test_every_kind_of_layer_trains_as_with_contiguous_memory_on_cpus_with_avx2_alone():
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}
    script = Path(__file__).with_name("every_layer_kind.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "every gradient agrees\n"), done.stderr
