"""What the tests share: a tiny backbone with fixed random weights, and tiny learnable tasks."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import yaml
from hypothesis import settings
from PIL import Image
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from tsniqa.data import load_task
from tsniqa.data.task import Task
from tsniqa.model.backbone import Backbone, load_backbone, load_card
from tsniqa.strategies import Strategy, find_strategy
from tsniqa.study import learning
from tsniqa.study import runner as study
from tsniqa.study.bootstrap import draw_table
from tsniqa.study.config import ResolvedRun, RunConfig, resolve_run
from tsniqa.study.evaluation import correlation_table
from tsniqa.study.record import RunRecord
from tsniqa.training.context import TrainingContext

settings.register_profile("tsniqa", deadline=None, derandomize=True)
settings.load_profile("tsniqa")

torch.set_num_threads(1)

ARGUMENTS = {"channels": [8, 16, 24, 32], "stem_width": 8}
PARTS = ("train",) * 16 + ("val",) * 10 + ("test",) * 6


def make_pixels(kind: str, level: float, random: np.random.Generator) -> np.ndarray:
    """Draw a smooth random scene and blur or roughen it by a level in [0, 1]."""
    scene = gaussian_filter(random.normal(size=(32, 32, 3)), (2, 2, 0)) * 300 + 128
    detail = gaussian_filter(random.normal(size=(32, 32, 3)), (0.6, 0.6, 0)) * 60
    image = scene + detail
    if kind in ("blur", "both"):
        image = gaussian_filter(image, (3 * level, 3 * level, 0))
    if kind in ("noise", "both"):
        image = image + random.normal(size=image.shape) * 60 * level
    return np.clip(image, 0, 255).astype(np.uint8)


def write_dataset(
    folder: Path, kind: str = "blur", *, seed: int = 0, simulated: bool = True, parts=PARTS
) -> Path:
    """Write a dataset in the generic layout whose labels fall with the distortion's level."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, part in enumerate(parts):
        name, level = f"images/{number:03d}.png", random.uniform()
        Image.fromarray(make_pixels(kind, level, random)).save(folder / name)
        mos = round(5 - 4 * level + random.normal() * 0.05, 4)
        rows.append({"image": name, "mos": mos, "std": 0.3, "split": part, "reference": name})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    about = {"citation": f"made for tests: {kind}", "licence": "none", "mos_range": [0, 6]}
    (folder / "dataset.yml").write_text(yaml.safe_dump(about | {"simulated": simulated}))
    return folder


def write_card(folder: Path, weights: str = "tiny.safetensors", **fields) -> Path:
    """Write a backbone card, and its weights unless they are there."""
    path = folder / weights
    if weights.endswith(".safetensors") and not path.exists():
        torch.manual_seed(7)
        network = timm.create_model("resnet10t", num_classes=0, **ARGUMENTS)
        save_file(network.state_dict(), path)
        fields.setdefault("sha256", hashlib.sha256(path.read_bytes()).hexdigest())
    card = {
        "model": "resnet10t",
        "arguments": ARGUMENTS,
        "weights": weights,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
    }
    (folder / "tiny.yml").write_text(yaml.safe_dump(card | fields))
    return folder / "tiny.yml"


TINY = {
    "gate.n_clusters": 5,
    "gate.n_init": 2,
    "schedule.head.epochs": 4,
    "schedule.head.batch": 8,
    "schedule.normalization.epochs": 2,
    "schedule.normalization.batch": 6,
    "schedule.normalization.learning_rate": 0.01,
    "schedule.normalization.crop": 24,
    "schedule.full.epochs": 2,
    "schedule.full.batch": 6,
    "schedule.full.learning_rate": 0.003,
    "schedule.full.crop": 24,
}


@dataclass
class Prepared:
    """A run with everything it needs, before anything is learned."""

    resolved: ResolvedRun
    context: TrainingContext
    strategy: Strategy

    @property
    def tasks(self):
        return list(self.resolved.tasks)

    @property
    def preset(self):
        return self.resolved.preset

    @property
    def run_id(self):
        return self.resolved.run_id


def prepare_run(config: RunConfig, data_root: Path, device: str = "cpu", cache=None) -> Prepared:
    resolved = resolve_run(config, data_root, device)
    context = study.training_context(resolved, cache)
    return Prepared(resolved, context, find_strategy(config.strategy)(context))


@dataclass
class World:
    """A data root with the tasks alpha, beta and gamma, and a backbone card."""

    data_root: Path
    card: Path
    overrides: dict = field(default_factory=lambda: dict(TINY))

    def config(self, strategy: str = "tsn", order=("alpha", "beta", "gamma"), **fields):
        overrides = self.overrides | fields.pop("overrides", {})
        defaults = {"preset": "smoke", "backbone": str(self.card)}
        return RunConfig(
            strategy=strategy, task_order=order, overrides=overrides, **(defaults | fields)
        )

    def run(self, results: Path, strategy: str = "tsn", order=("alpha", "beta", "gamma"), **fields):
        return study.run(self.config(strategy, order, **fields), self.data_root, results, "cpu")

    def resolve(self, strategy: str = "tsn", order=("alpha", "beta", "gamma"), **fields):
        return resolve_run(self.config(strategy, order, **fields), self.data_root, "cpu")

    def plan(self, strategy: str = "tsn", order=("alpha", "beta", "gamma"), **fields) -> Prepared:
        return prepare_run(self.config(strategy, order, **fields), self.data_root)

    def task(self, name: str) -> Task:
        return load_task(name, self.data_root, 0)

    def backbone(self, **fields) -> Backbone:
        return load_backbone(load_card(str(self.card)).model_copy(update=fields))


@pytest.fixture(scope="session", autouse=True)
def _own_cache_of_decoded_images(tmp_path_factory):
    """Keep the tests' decoded images and features out of the checkout's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        for module in (study, learning):
            patch.setattr(module, "cache_folder", lambda kind: folder / kind)
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    root = tmp_path_factory.mktemp("world")
    for seed, (name, kind) in enumerate(
        {"alpha": "blur", "beta": "noise", "gamma": "both"}.items()
    ):
        write_dataset(root / "data" / name, kind, seed=seed)
    return World(root / "data", write_card(root))


@pytest.fixture(scope="session")
def finished(world, tmp_path_factory):
    """Run a configuration once a session; every call reads the record anew, so tests share none."""
    results = tmp_path_factory.mktemp("finished") / "records"
    folders: dict[tuple, Path] = {}

    def run(strategy: str = "tsn", order=("alpha", "beta", "gamma")) -> RunRecord:
        if (strategy, order) not in folders:
            folders[strategy, order] = world.run(results, strategy, order).folder
        return RunRecord.load(folders[strategy, order])

    return run


@pytest.fixture(scope="session")
def prepare():
    """The function that makes everything a run needs, but learns nothing."""
    return prepare_run


@pytest.fixture(scope="session")
def dataset():
    """The function that writes a dataset in the generic layout."""
    return write_dataset


@pytest.fixture(scope="session")
def card():
    """The function that writes a backbone card and its weights."""
    return write_card


@pytest.fixture(scope="session")
def reseeded():
    """Copy a record under another seed, its correlations and draws shifted."""

    def copy(record, seed, shift=0.0):
        config = record.config.model_copy(update={"seed": seed})
        return replace(
            record,
            description=record.description.model_copy(update={"config": config}),
            mos=None,
            correlations=correlation_table(record, record.mos) + shift,
            draws=draw_table(record, record.mos) + np.float32(shift),
            cache={},
        )

    return copy


@pytest.fixture(scope="session")
def publish():
    """Publish a record under its own name, with some fields of its description changed."""

    def write(record, folder, **description):
        target = folder / record.description.run_id
        target.mkdir(parents=True)
        changed = record.description.model_copy(update=description)
        replace(record, description=changed).save(target)
        return target

    return write
