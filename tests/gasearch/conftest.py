"""What the tests of commands share."""

import pytest

from gasearch import cli


@pytest.fixture
def gasearch(capsys):
    """Runs a command in this process: status, stdout, stderr."""

    def run(*arguments):
        status = cli.call(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
