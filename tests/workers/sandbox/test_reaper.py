import os
import time
from pathlib import Path

import pytest
from gasearch_workers.sandbox.processes import descendants, marked
from gasearch_workers.sandbox.reaper import start_reaper

from tests.doubles.families import MARK, one_family, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")


@pytest.fixture
def family():
    with one_family() as process:
        yield process


def test_a_reaper_cleans_up_once_its_host_is_gone(family, tmp_path):
    (tmp_path / "left/below").mkdir(parents=True)
    wait_until(lambda: len(descendants(family.pid)) == 2)
    host = start_reaper(MARK, str(tmp_path / "left"))
    time.sleep(0.05)
    assert (tmp_path / "left").exists()
    os.close(host)
    wait_until(lambda: not (tmp_path / "left").exists())
    assert marked(MARK) == []
