"""Make the six tasks of the mini benchmark and write them in the generic dataset layout.

The recipe is fixed and numbered by :data:`RECIPE_VERSION`; a task is a pure function of its name,
the recipe version and the seed. See ``data/mini.md``.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from PIL import Image

from tsniqa.errors import DataError, unknown_name
from tsniqa.paths import remembered_digest
from tsniqa.seeds import generator as seeded_generator
from tsniqa.synthetic.compression import to_pillow
from tsniqa.synthetic.distortions import TASK_DISTORTIONS, distort
from tsniqa.synthetic.observers import POPULATIONS, fidelity_to_pristine, full_reference
from tsniqa.synthetic.scenes import TASK_FAMILIES, make_scene

MINI_TASKS = ("mini-live", "mini-csiq", "mini-bid", "mini-clive", "mini-koniq", "mini-kadid")
"""The six tasks, in the order of the paper's datasets."""

RECIPE_VERSION = 2
"""Number of the recipe; any change of images or labels raises it."""

REFERENCE_TASKS = ("mini-live", "mini-csiq", "mini-kadid")
"""Tasks that make several images of each pristine scene; the others take every scene once."""

IMAGES_PER_REFERENCE = 5
"""How many; so few that a test part has 48 scenes, enough to resample."""

SPLITS = {"train": 200, "val": 80, "test": 240}
"""Images in each part of every task."""

LABELS = ("image", "mos", "std", "split", "reference")
"""The columns of ``labels.csv``."""

_DESCRIPTIONS = {
    "mini-live": "Five classical distortions of outdoor, facade and portrait scenes, as in LIVE.",
    "mini-csiq": "Six distortions, noise and contrast among them, of close-up nature, as in CSIQ.",
    "mini-bid": "Defocus, linear motion and camera shake on rooms, objects and signs, as in BID.",
    "mini-clive": "Phone-camera chains on nights, rooms, people, views, as in LIVE Challenge.",
    "mini-koniq": "Milder mixtures of defects on all content families, as in KonIQ-10k.",
    "mini-kadid": "Twenty-five distortions at five levels on cloth, print, leaves, as in KADID.",
}


@dataclass(frozen=True)
class Plan:
    """What one image of a task is to be; ``level`` is the severity, 1 to 5."""

    image: str  # file name without folder
    split: str
    reference: str  # name of the pristine scene
    family: str
    distortion: str
    level: float


def _reference_plans(name: str, seed: int) -> list[Plan]:
    """Shuffle the pairs (distortion, level) of a part once, deal them round: five a reference.

    So every pair occurs equally often up to one and no reference gets a pair twice.
    """
    pairs = [(kind, level) for kind in TASK_DISTORTIONS[name] for level in range(1, 6)]
    families = TASK_FAMILIES[name]
    plans: list[Plan] = []
    for split, count in SPLITS.items():
        order = seeded_generator(seed, name, "deal", split).permutation(len(pairs))
        first = len(plans)
        for position in range(count):
            number = (first + position) // IMAGES_PER_REFERENCE
            reference = f"r{number:02d}"
            kind, level = pairs[order[position % len(pairs)]]
            image = f"{reference}-{kind}-{level}.png"
            family = families[number % len(families)]
            plans.append(Plan(image, split, reference, family, kind, float(level)))
    return plans


def _authentic_plans(name: str, seed: int) -> list[Plan]:
    """Draw a family, a distortion and a continuous level for every scene.

    Levels are uniform, but for ``mini-koniq`` they follow a beta distribution that favours mild
    defects. ``reference`` is the image's own number: no two images share a scene.
    """
    families, kinds = TASK_FAMILIES[name], TASK_DISTORTIONS[name]
    splits = np.repeat(list(SPLITS), list(SPLITS.values()))
    plans = []
    for number, split in enumerate(splits):
        draw = seeded_generator(seed, name, "plan", str(number))
        share = draw.beta(1.3, 2.0) if name == "mini-koniq" else draw.random()
        level = round(1 + 4 * float(share), 3)
        kind = kinds[int(draw.integers(len(kinds)))]
        family = families[int(draw.integers(len(families)))]
        plans.append(Plan(f"{number:04d}.png", str(split), f"{number:04d}", family, kind, level))
    return plans


def plan_task(name: str, seed: int) -> list[Plan]:
    """List what every image of a mini task is to be: training, then validation, then test."""
    if name in REFERENCE_TASKS:
        return _reference_plans(name, seed)
    return _authentic_plans(name, seed)


def render(name: str, seed: int, plans: list[Plan]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Render planned images of a task: pristine and distorted, each uint8 [N, 96, 96, 3]."""
    scenes: dict[str, NDArray[np.float64]] = {}
    pristine, distorted = [], []
    for plan in plans:
        if plan.reference not in scenes:
            draw = seeded_generator(seed, name, "scene", plan.reference)
            scenes[plan.reference] = make_scene(plan.family, draw)
        scene = scenes[plan.reference]
        draw = seeded_generator(seed, name, "distortion", plan.image)
        pristine.append(np.asarray(to_pillow(scene)))
        image = distort(plan.distortion, scene, plan.level, draw)
        distorted.append(np.asarray(to_pillow(image)))
    return np.stack(pristine), np.stack(distorted)


def label(
    name: str, seed: int, plans: list[Plan], pristine: NDArray[np.uint8], images: NDArray[np.uint8]
) -> pd.DataFrame:
    """Let the task's simulated observers rate rendered images.

    Args:
        name: The task's name.
        seed: Seed of the draw.
        plans: What the images are, N of them.
        pristine: Pristine scenes [N, H, W, 3], 8-bit.
        images: Distorted images [N, H, W, 3], 8-bit.

    Returns:
        A table of N rows: :data:`LABELS`, then ``family, distortion, level, haarpsi, gmsd,
        opinion``, which say how the label came about.
    """
    population = POPULATIONS[name]
    scores = full_reference(pristine, images)
    table = pd.DataFrame(plans)
    opinions, ratings = [], []
    for plan, quality in zip(plans, fidelity_to_pristine(scores), strict=True):
        opinions.append(population.opinion(float(quality), plan.distortion, plan.family))
        draw = seeded_generator(seed, name, "observers", plan.image)
        ratings.append(population.rate(opinions[-1], draw))
    table["image"] = [f"images/{plan.image}" for plan in plans]
    table[["mos", "std"]] = ratings
    table[["haarpsi", "gmsd"]] = scores
    table["opinion"] = [round(opinion, 6) for opinion in opinions]
    return table[[*LABELS, "family", "distortion", "level", "haarpsi", "gmsd", "opinion"]]


def _write(folder: Path, name: str, seed: int) -> None:
    plans = plan_task(name, seed)
    pristine, images = render(name, seed, plans)
    table = label(name, seed, plans, pristine, images)
    (folder / "images").mkdir(parents=True)
    for plan, image in zip(plans, images, strict=True):
        Image.fromarray(image).save(folder / "images" / plan.image, compress_level=1)
    table[list(LABELS)].to_csv(folder / "labels.csv", index=False)
    table.drop(columns=["mos", "std", "split"]).to_csv(folder / "recipe.csv", index=False)
    about = {
        "description": f"{_DESCRIPTIONS[name]} Procedural scenes; the labels are simulated.",
        "citation": "Mini benchmark of the tsniqa study (simulated labels), recipe version "
        f"{RECIPE_VERSION}.",
        "licence": "MIT",
        "mos_range": list(POPULATIONS[name].scale),
        "simulated": True,
        "recipe_version": RECIPE_VERSION,
        "seed": seed,
        "pixels": hashlib.sha256(images).hexdigest(),
        "files": _file_bytes(folder),
    }
    text = yaml.safe_dump(about, sort_keys=False, width=100)
    (folder / "dataset.yml").write_text(text, encoding="utf-8")


def _file_bytes(folder: Path) -> str:
    """Return a sha256 (hex) of all image files and the table, as this machine wrote them."""
    digest = hashlib.sha256()
    for path in [folder / "labels.csv", *sorted((folder / "images").iterdir())]:
        digest.update(f"{path.name} {remembered_digest(path)}\n".encode())
    return digest.hexdigest()


def make_task(name: str, seed: int, cache_dir: Path) -> Path:
    """Make one task of the mini benchmark, or find it in the cache.

    The folder appears at once and complete; when another process is first, its folder is used.

    Args:
        name: One of :data:`MINI_TASKS`.
        seed: Seed of the draw; different seeds give different scenes, distortions and ratings.
        cache_dir: Folder for all draws; created if missing.

    Returns:
        The task's folder ``v<recipe version>-seed<seed>/<name>`` in the generic layout:
        ``images/*.png``, ``labels.csv``, ``dataset.yml``, and ``recipe.csv`` with the family,
        distortion, level and full-reference scores of every image.

    Raises:
        ConfigError: If the name is not one of the six.
        DataError: If the folder exists but is incomplete, or cannot be written.
    """
    if name not in MINI_TASKS:
        raise unknown_name("mini task", name, MINI_TASKS)
    target = Path(cache_dir) / f"v{RECIPE_VERSION}-seed{seed}" / name
    try:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as workspace:
                made = Path(workspace) / name
                _write(made, name, seed)
                made.rename(target)
    except OSError as error:
        if not target.exists():  # else another process was first
            raise DataError(
                f"{name}: cannot write to {target.parent} ({error.strerror or error}); free space "
                "there or choose another cache folder"
            ) from error
    if not all((target / part).exists() for part in ("dataset.yml", "labels.csv", "images")):
        raise DataError(f"{name}: {target} is incomplete; delete that folder and try again")
    written = yaml.safe_load((target / "dataset.yml").read_text(encoding="utf-8"))
    if written["files"] != _file_bytes(target):
        raise DataError(
            f"{name}: the files in {target} are not those that were drawn; delete that folder, and"
            " they are drawn again"
        )
    return target
