"""The process of a command, from its first import to its end."""

import subprocess
import sys

import pytest

#: Presses Ctrl-C as soon as a module is looked for.
PRESSED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
"""


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["gasearch.cli", "gasearch.cli.reading", "typer", "gasearch.spec.loader"])
def test_an_interrupt_while_the_program_loads_is_a_word(module):
    done = run(PRESSED.format(module=module) + "from gasearch.__main__ import main; main()", "run", "no-such.yaml")
    assert (done.returncode, done.stderr) == (130, "gasearch: interrupted\n")


def test_an_interrupt_that_was_handled_while_source_ran_does_not_kill_the_process_at_its_end():
    code = PRESSED.format(module="gasearch.cli")
    code += "try:\n    exec('import gasearch.cli')\nexcept KeyboardInterrupt:\n    pass\n"
    done = run(code + "from gasearch.__main__ import main; main()", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gasearch ")


def test_what_is_broken_in_the_program_itself_is_not_taken_for_an_interrupt():
    code = "import sys; sys.modules['typer'] = None\nfrom gasearch.__main__ import main; main()"
    done = run(code, "--version")
    assert done.returncode == 1
    assert "import of typer halted" in done.stderr
