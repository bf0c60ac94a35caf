"""Public data sets: nothing is downloaded unless it is said, and what is downloaded is whole or not there."""

import importlib.util
import sys

import pytest
from gasearch_workers.data import DataError, NotDownloaded, download, load_dataset

from tests.doubles.hub import Hub, Rows
from tests.doubles.image_server import FILES, PIXELS, RESOURCES, ImageServer, torchvision_like

needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torchvision isn't installed"
)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSES_S", (0.0, 0.0))
    found = ImageServer()
    yield found
    found.close()


@pytest.fixture(params=["stand-in", pytest.param("torchvision", marks=needs_torchvision)])
def mnist(request, server, monkeypatch):
    """The class MNIST, whose mirror is our server."""
    if request.param == "stand-in":
        package = torchvision_like(server.url)
        monkeypatch.setitem(sys.modules, "torchvision", package)
        monkeypatch.setitem(sys.modules, "torchvision.datasets", package.datasets)
        return package.datasets.MNIST
    from torchvision import datasets

    monkeypatch.setattr(datasets.MNIST, "mirrors", [server.url])
    monkeypatch.setattr(datasets.MNIST, "resources", RESOURCES)
    return datasets.MNIST


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_downloaded_unless_it_is_said(mnist, server, tmp_path):
    with pytest.raises(NotDownloaded, match=r"torchvision:MNIST@.*: expected the files of MNIST in the folder"):
        load_dataset(f"torchvision:MNIST@{tmp_path}")
    assert server.asked == []
    assert files(tmp_path) == set()


def test_what_is_downloaded_is_told_and_read_without_the_network_from_then_on(mnist, server, tmp_path):
    told = []
    found = load_dataset(f"torchvision:MNIST@{tmp_path}", download=told.append)
    assert (found.test.x[:, 0] == PIXELS).all()
    assert told[0].startswith(f"downloading MNIST, about 12 MB, into {tmp_path}; its terms: http://yann.lecun.com")
    assert told[1:] == [f"MNIST lies in {tmp_path}: 0 MB"]
    server.close()
    again = load_dataset(f"torchvision:MNIST@{tmp_path}", download=told.append)
    assert (again.fingerprint, len(told)) == (found.fingerprint, 2)


def test_a_connection_that_breaks_off_is_tried_again(mnist, server, tmp_path):
    server.breaks = 2
    told = []
    found = load_dataset(f"torchvision:MNIST@{tmp_path}", download=told.append)
    assert (found.test.x[:, 0] == PIXELS).all()
    assert "trying again in 0 s" in told[1]


def test_a_mirror_that_always_breaks_off_leaves_nothing_behind(mnist, server, tmp_path):
    server.breaks = 1000
    with pytest.raises(DataError, match=r"torchvision:MNIST@.* can't be downloaded: "):
        load_dataset(f"torchvision:MNIST@{tmp_path}", download=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_other_content_than_the_original_is_refused(mnist, server, tmp_path):
    name = next(iter(FILES))
    server.files[name] = server.files["t10k-labels-idx1-ubyte.gz"]
    with pytest.raises(DataError, match=r"can't be downloaded: .*corrupted"):
        load_dataset(f"torchvision:MNIST@{tmp_path}", download=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_leaves_nothing_behind(mnist, server, tmp_path, monkeypatch):
    original = mnist.download

    def interrupted(*arguments):
        original(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(f"torchvision:MNIST@{tmp_path}", download=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_unpacked_by_half_is_replaced(mnist, tmp_path):
    load_dataset(f"torchvision:MNIST@{tmp_path}", download=lambda _: None)
    damaged = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with pytest.raises(NotDownloaded, match="can't be read"):
        load_dataset(f"torchvision:MNIST@{tmp_path}")
    found = load_dataset(f"torchvision:MNIST@{tmp_path}", download=lambda _: None)
    assert (found.test.x[:, 0] == PIXELS).all()


def test_a_folder_that_cannot_be_written_is_named(mnist, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"torchvision:MNIST@.*file can't be written to .*file: "):
        load_dataset(f"torchvision:MNIST@{tmp_path / 'file'}", download=lambda _: None)


def test_a_disk_without_room_is_said_before_anything_is_downloaded(mnist, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LEAST_FREE", 10**12)
    with pytest.raises(DataError, match=r"needs some 1,000,000,000,000 MB in .*; [\d,]+ MB are free"):
        load_dataset(f"torchvision:MNIST@{tmp_path}", download=lambda _: None)
    assert server.asked == []


# --- Hugging Face -----------------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(download, "PAUSES_S", (0.0, 0.0))
    texts = [f"a {word} film" for word in ("good", "bad") * 20]
    rows = Rows(text=texts, label=[1, 0] * 20, label_text=["yes", "no"] * 20)
    found = Hub(SetFit__sst2={"train": rows, "test": rows}, glue={"train": rows})
    for name, module in found.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return found


def test_a_name_of_hugging_face_is_not_downloaded_unless_it_is_said(hub):
    with pytest.raises(NotDownloaded, match=r"hf:SetFit/sst2: expected a saved folder or a dataset in the cache"):
        load_dataset("hf:SetFit/sst2")
    assert hub.asked == []


def test_size_and_licence_are_told_before_and_the_rows_after_a_download(hub):
    told = []
    found = load_dataset("hf:SetFit/sst2", download=told.append)
    assert (found.labels, len(found.test)) == (("0", "1"), 40)
    assert told == [
        "downloading SetFit/sst2 from Hugging Face, 4.1 MB, into /cache; licence: cc0-1.0; "
        "see https://huggingface.co/datasets/SetFit/sst2",
        "SetFit/sst2: train 40 rows, test 40 rows",
    ]
    hub.asked.clear()
    assert load_dataset("hf:SetFit/sst2").fingerprint == found.fingerprint
    assert hub.asked == []


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("hf:SetFit/sst2@refs/convert/parquet", ("SetFit/sst2", None, "refs/convert/parquet")),
        ("hf:SetFit/sst2/small@v1", ("SetFit/sst2", "small", "v1")),
        ("hf:glue/sst2", ("glue", "sst2", None)),
    ],
)
def test_configuration_and_revision_are_asked_for(hub, source, asked):
    load_dataset(source, download=lambda _: None)
    assert hub.asked[-1] == asked


@pytest.mark.parametrize(
    "fault", [ConnectionError("Couldn't reach the Hub"), type("Timeout", (Exception,), {})("late")]
)
def test_a_hub_out_of_reach_is_asked_once_since_the_library_tries_by_itself(hub, fault):
    hub.faults = [fault]
    with pytest.raises(DataError, match=rf"hf:SetFit/sst2 can't be downloaded: {fault}"):
        load_dataset("hf:SetFit/sst2", download=lambda _: None)
    assert len(hub.asked) == 1


def test_a_name_that_nobody_has_is_asked_for_once(hub):
    with pytest.raises(DataError, match=r"hf:no/set can't be downloaded: Dataset 'no/set' doesn't exist on the Hub"):
        load_dataset("hf:no/set", download=lambda _: None)
    assert hub.asked == [("no/set", None, None), ("no", "set", None)]
