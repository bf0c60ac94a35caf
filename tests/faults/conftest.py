"""The command line in a folder of its own, for every test of a fault."""

import pytest

from tests.doubles.command_line import CommandLine


@pytest.fixture
def gasearch(tmp_path):
    """Commands over one database; what still runs at the end of the test is ended."""
    commands = CommandLine(tmp_path)
    yield commands
    commands.close()
