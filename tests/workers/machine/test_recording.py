"""What is printed and logged is let through, and kept."""

import logging
import sys

from gasearch_workers.machine.recording import LONGEST, recorded


def test_prints_and_logs_are_kept_and_let_through(capsys):
    logger, handler = logging.getLogger("tests.recording"), logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    with recorded() as recording:
        print("out")
        sys.stderr.writelines(["err", "\n"])
        logger.warning("logged")
    logger.warning("later")
    logger.removeHandler(handler)
    assert recording.text == "out\nerr\nlogged\n"
    assert capsys.readouterr() == ("out\n", "err\nlogged\nlater\n")


def test_the_streams_are_put_back_whatever_happens():
    before = sys.stdout, sys.stderr
    try:
        with recorded():
            raise RuntimeError
    except RuntimeError:
        pass
    assert (sys.stdout, sys.stderr) == before


def test_the_end_is_kept(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with recorded() as recording:
        for number in range(10_000):
            print(number)
    assert len(recording.text) == LONGEST
    assert recording.text.endswith("\n9999\n")
