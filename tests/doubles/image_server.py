"""A server of small image sets on this machine that can break off, and a stand-in for torchvision that asks it."""

import gzip
import hashlib
import struct
import threading
import types
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
LABELS = (np.arange(60) % 10).astype(np.uint8)


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


#: The files of an MNIST of 60 images, as its mirrors hand them out.
FILES = {
    f"{part}-{what}.gz": gzip.compress(idx(array), mtime=0)
    for part in ("train", "t10k")
    for what, array in (("images-idx3-ubyte", PIXELS), ("labels-idx1-ubyte", LABELS))
}
RESOURCES = [(name, hashlib.md5(content).hexdigest()) for name, content in FILES.items()]


class ImageServer:
    """Hands out `files`; the first `breaks` answers end in the middle of the content."""

    def __init__(self):
        self.files = dict(FILES)
        self.breaks = 0
        self.asked = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.answer(is_whole=True, has_body=False)

            def do_GET(self):
                outer.asked.append(self.path)
                outer.breaks -= 1
                self.answer(is_whole=outer.breaks < 0, has_body=True)

            def answer(self, *, is_whole, has_body):
                content = outer.files.get(self.path[1:])
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                if has_body and content:
                    self.wfile.write(content if is_whole else content[: len(content) // 2])

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def torchvision_like(url):
    """A package with an MNIST that behaves as torchvision's: it trusts whatever was unpacked."""

    class MNIST:
        classes = ()

        def __init__(self, root, *, train, download):
            folder = Path(root) / "MNIST" / "raw"
            if download and not all((folder / name.removesuffix(".gz")).exists() for name in FILES):
                self.download(folder)
            part = "train" if train else "t10k"
            try:
                self.data = read(folder / f"{part}-images-idx3-ubyte", (-1, 28, 28))
                self.targets = read(folder / f"{part}-labels-idx1-ubyte", (-1,))
            except FileNotFoundError:
                raise RuntimeError("Dataset not found. You can use download=True to download it") from None

        def download(self, folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, digest in RESOURCES:
                with urllib.request.urlopen(url + name) as answer, (folder / name).open("wb") as file:
                    while chunk := answer.read(1024):
                        file.write(chunk)
                if hashlib.md5((folder / name).read_bytes()).hexdigest() != digest:
                    raise RuntimeError("File not found or corrupted.")
                (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress((folder / name).read_bytes()))

    package = types.ModuleType("torchvision")
    package.datasets = types.ModuleType("torchvision.datasets")
    package.datasets.MNIST = MNIST
    return package


def read(path, shape):
    content = path.read_bytes()
    offset = 4 + 4 * content[3]
    return np.frombuffer(content, dtype=np.uint8, offset=offset).reshape(shape)
