import builtins
import sys

import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset


def refuse_import(monkeypatch, library: str, error: Exception) -> None:
    """Let importing a library fail."""
    real = builtins.__import__

    def importer(name, *args, **kwargs):
        if name.split(".")[0] == library:
            raise error
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", importer)


@pytest.mark.parametrize(("source", "library"), [("torchvision:MNIST", "torchvision"), ("hf:imdb", "datasets")])
def test_a_name_of_a_library_that_is_not_installed_is_refused(monkeypatch, source, library):
    refuse_import(monkeypatch, library, ImportError(f"No module named {library!r}"))
    with pytest.raises(DataError, match=rf"{source}: expected the library {library}, which isn't installed"):
        load_dataset(source)


def test_a_torchvision_that_does_not_fit_the_installed_torch_is_refused(monkeypatch):
    refuse_import(monkeypatch, "torchvision", RuntimeError("operator torchvision::nms does not exist"))
    with pytest.raises(DataError, match=r"expected a torchvision that fits the installed torch; got operator torch"):
        load_dataset("torchvision:MNIST")


def test_a_name_that_torchvision_does_not_know_is_refused_with_those_it_does():
    with pytest.raises(DataError, match=r"torchvision:Mnist: expected one of the image sets MNIST, .*; got 'Mnist'"):
        load_dataset("torchvision:Mnist")


def test_options_that_a_name_cannot_heed_are_refused():
    with pytest.raises(DataError, match=r"torchvision:MNIST is read as it is; got task\.target = 'digit'"):
        load_dataset("torchvision:MNIST", DataOptions(target="digit"))
    with pytest.raises(DataError, match=r"hf:imdb names its parts and columns itself; got task\.test = 'x\.csv'"):
        load_dataset("hf:imdb", DataOptions(test="x.csv"))
