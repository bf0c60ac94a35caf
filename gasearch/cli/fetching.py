"""The command that brings the data of a spec, and the error of those that lack them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gasearch.cli.app import Override, Spec, app, examples, options_of
from gasearch.cli.console import clean_stdout, say
from gasearch.errors import DataNotHere


@app.command(epilog=examples("gasearch data examples/mnist.yaml", "gasearch data mine.yaml --set task.dataset=hf:NAME"))
def data(spec: Spec, overrides: Override = None) -> None:
    """Download the data that a spec names, if they aren't here yet, and say what they hold.

    The data of `torchvision:NAME` and `hf:NAME` are downloaded where that library is installed; a file must be there.
    """
    from gasearch.jobs.sources import load_data
    from gasearch.jobs.spec_check import task_text
    from gasearch.spec.loader import load_spec

    loaded = load_spec(spec, overrides or ())
    if loaded.is_custom:
        print(f"{loaded.task.evaluator} brings its own data: there is nothing to download")
        return
    with clean_stdout():
        found = load_data(loaded, say, downloads=True)
    assert found is not None, "only custom evaluators bring their own data"
    print(task_text(loaded, found.describe()))
    print(f"{len(found.train):,} training, {len(found.validation):,} validation and {len(found.test):,} test samples")
    print(f"fingerprint {found.fingerprint}")
    say(f"next:  {_command('run', spec, overrides)}")


@contextmanager
def naming_the_download(spec: Path, overrides: list[str] | None) -> Iterator[None]:
    """Let the error of data that must be downloaded first name the command that does so.

    Raises:
        DataNotHere: naming the command, where that was raised inside.
    """
    try:
        yield
    except DataNotHere as error:
        raise DataNotHere(f"{error}; or download it now with: {_command('data', spec, overrides)}") from error


def _command(verb: str, spec: Path, overrides: list[str] | None) -> str:
    return shlex.join(["gasearch", verb, str(spec), *options_of(set=overrides)])
