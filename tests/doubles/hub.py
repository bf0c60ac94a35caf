"""A stand-in for the library `datasets`: a hub that may be out of reach, and a cache that keeps what came."""

import types


class Hub:
    """Datasets by name; what was loaded online is in the cache, and then read offline as well."""

    def __init__(self, **published):
        self.published = {name.replace("__", "/"): splits for name, splits in published.items()}
        self.cached = {}
        self.asked = []  #: (name, configuration, revision) of each question that reached the network.
        self.faults = []  #: Raised one after the other before the network answers.
        self.hub = types.ModuleType("huggingface_hub")
        self.hub.constants = types.ModuleType("huggingface_hub.constants")
        self.hub.constants.HF_HUB_OFFLINE = False
        self.library = types.ModuleType("datasets")
        self.library.__version__ = "5.2.0"
        self.library.config = types.ModuleType("datasets.config")
        self.library.config.HF_HUB_OFFLINE = False
        self.library.config.HF_DATASETS_CACHE = "/cache"
        self.library.load_dataset = self.load_dataset
        self.library.load_dataset_builder = self.load_dataset_builder

    def modules(self):
        return {
            "datasets": self.library,
            "datasets.config": self.library.config,
            "huggingface_hub": self.hub,
            "huggingface_hub.constants": self.hub.constants,
        }

    def load_dataset(self, name, config=None, revision=None):
        key = (name, config)
        if self.library.config.HF_HUB_OFFLINE:
            if key not in self.cached:
                raise ConnectionError(f"Couldn't reach {name!r} on the Hub (OfflineModeIsEnabled)")
            return self.cached[key]
        self.ask(name, config, revision)
        self.cached[key] = self.published[name]
        return self.cached[key]

    def load_dataset_builder(self, name, config=None, revision=None):
        self.ask(name, config, revision)
        return types.SimpleNamespace(info=types.SimpleNamespace(download_size=4_104_734, license="cc0-1.0"))

    def ask(self, name, config, revision):
        self.asked.append((name, config, revision))
        if self.faults:
            raise self.faults.pop(0)
        if name not in self.published:
            raise FileNotFoundError(f"Dataset {name!r} doesn't exist on the Hub")


class Value:
    """A feature of plain values."""


class Rows:
    """A split with plain columns."""

    def __init__(self, **columns):
        self.columns = columns
        self.features = dict.fromkeys(columns, Value())

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name):
        return self.columns[name]
