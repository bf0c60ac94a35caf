"""Which emulator counts: QEMU where it is on PATH, else unicorn, else none."""

import pytest
from gasearch_workers.measure import emulators, qemu, thumb

from tests.workers.measure.test_thumb import RETURN, ZERO, program


@pytest.mark.parametrize(
    ("is_qemu_here", "is_unicorn_here", "name"),
    [(True, True, "qemu-system-arm"), (True, False, "qemu-system-arm"), (False, True, "unicorn"), (False, False, None)],
)
def test_qemu_comes_first(is_qemu_here, is_unicorn_here, name, monkeypatch):
    monkeypatch.setattr(qemu, "has_qemu", lambda: is_qemu_here)
    monkeypatch.setattr(thumb, "has_emulator", lambda: is_unicorn_here)
    assert emulators.emulator() == name


@pytest.mark.skipif(emulators.emulator() is None, reason="no emulator is installed")
def test_what_is_here_calls():
    assert emulators.call(program(ZERO, RETURN), "cortex-m4", (b"", b"")).instructions == 2


def test_without_any_a_call_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(emulators, "emulator", lambda: None)
    with pytest.raises(thumb.EmulatorError, match="neither is qemu-system-arm on PATH, nor the library unicorn inst"):
        emulators.call(program(ZERO, RETURN), "cortex-m4", (b"", b""))
