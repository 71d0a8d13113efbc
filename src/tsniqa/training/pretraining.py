"""The whole pretraining of the mini backbone, and the four files it leaves.

``mini.safetensors`` holds the backbone under timm's names, ``mini-classifier.safetensors`` the
pretext's classifier (only the notebook that shows the pretext needs it), ``mini.yml`` is the
backbone card and ``mini-pretraining.json`` the log.
"""

import hashlib
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tsniqa.cards import BackboneCard
from tsniqa.errors import DataError, WeightsError
from tsniqa.paths import shipped
from tsniqa.synthetic.distortions import PRETEXT_DISTORTIONS
from tsniqa.synthetic.pretext import (
    ARGUMENTS,
    HELD_OUT_TYPES,
    MEAN,
    MODEL,
    STD,
    TEST_START,
    VALIDATION_START,
    Accuracy,
    PretextEpoch,
    Recipe,
    accuracy,
    make_images,
    make_network,
    predict,
    pretrain,
)

_CLASSIFIER = "fc."
_PACKAGES = ("torch", "timm", "numpy", "scipy", "pillow")
_SOURCE = """\
Trained from random weights by notebooks/00_backbone.ipynb to name the distortion and its level on
procedural scenes, with {count} of the mini benchmark's {total} distortions; no scene, seed, image
or label of the benchmark was used. No photograph and no person's rating has any part in it.
"""


class Pretraining(BaseModel):
    """The log of one pretraining.

    Attributes:
        recipe: The schedule.
        distortions: What the pretext showed.
        held_out_distortions: What the mini benchmark has beyond them.
        epochs: One account an epoch.
        test: Accuracy on scenes that decided nothing.
        image_seconds: Processor time for making all images.
        training_seconds: Processor time for training and validation.
        versions: Versions of Python and of the packages that matter.
    """

    recipe: Recipe
    distortions: tuple[str, ...] = PRETEXT_DISTORTIONS
    held_out_distortions: tuple[str, ...] = HELD_OUT_TYPES
    epochs: list[PretextEpoch]
    test: Accuracy
    image_seconds: float
    training_seconds: float
    versions: dict[str, str]


def pretrain_backbone(
    recipe: Recipe,
    output: Path,
    report: Callable[[PretextEpoch], None] = lambda epoch: None,
) -> Pretraining:
    """Make the images, train, and write the four files.

    Args:
        recipe: The schedule.
        output: Folder for the files; created if missing.
        report: Called after each epoch, for showing progress.

    Returns:
        The log, as written.

    Raises:
        DataError: The folder cannot be written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot make the folder {output} ({error.strerror}); choose another output"
        ) from error
    start = time.process_time()
    train = make_images(0, recipe.images, recipe.seed)
    validation = make_images(VALIDATION_START, recipe.validation, recipe.seed)
    test = make_images(TEST_START, recipe.test, recipe.seed)
    made, epochs, network = time.process_time(), [], make_network(recipe.seed)
    for epoch in pretrain(network, recipe, train, validation):
        epochs.append(epoch)
        report(epoch)
    log = Pretraining(
        recipe=recipe,
        epochs=epochs,
        test=accuracy(predict(network, test.images), test.classes.numpy()),
        image_seconds=round(made - start, 1),
        training_seconds=round(time.process_time() - made, 1),
        versions={name: version(name) for name in _PACKAGES}
        | {"python": platform.python_version()},
    )
    _write(output, network, log)
    return log


def _write(folder: Path, network: nn.Module, log: Pretraining) -> None:
    """Write weights, card and log; the card comes last, so that it never names a missing file."""
    state = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    save_file(_part(state, classifier=False), folder / "mini.safetensors")
    save_file(_part(state, classifier=True), folder / "mini-classifier.safetensors")
    (folder / "mini-pretraining.json").write_text(log.model_dump_json(indent=1) + "\n")
    digest = hashlib.sha256((folder / "mini.safetensors").read_bytes()).hexdigest()
    card = BackboneCard(
        name="mini",
        model=MODEL,
        arguments=ARGUMENTS,
        weights="mini.safetensors",
        sha256=digest,
        mean=MEAN,
        std=STD,
        source=" ".join(
            _SOURCE.format(
                count=len(log.distortions),
                total=len(log.distortions) + len(log.held_out_distortions),
            ).split()
        ),
        licence="MIT",
    )
    content = card.model_dump(mode="json", exclude={"name"})
    text = yaml.safe_dump(content, sort_keys=False, width=100, default_flow_style=None)
    (folder / "mini.yml").write_text(text)


def _part(state: dict[str, Tensor], classifier: bool) -> dict[str, Tensor]:
    """Return the classifier's tensors, or all others."""
    return {name: t for name, t in state.items() if name.startswith(_CLASSIFIER) == classifier}


def load_pretraining(folder: Path | None = None) -> Pretraining:
    """Read the log of a pretraining.

    Args:
        folder: Where :func:`pretrain_backbone` wrote; None is the shipped backbone's.

    Raises:
        DataError: There is no such log, or it is not one.
    """
    path = (folder or shipped("backbones")) / "mini-pretraining.json"
    try:
        return Pretraining.model_validate_json(path.read_text())
    except OSError as error:
        raise DataError(f"no pretraining log at {path}; give the output of a retraining") from error
    except ValidationError as error:
        raise DataError(f"{path} is not a pretraining log; train again into that folder") from error


def load_network(folder: Path | None = None) -> nn.Module:
    """Load the pretrained network with its classifier, which a backbone does without.

    Args:
        folder: Where :func:`pretrain_backbone` wrote; None is the shipped backbone's.

    Raises:
        WeightsError: A file is missing, damaged, or of another network.
    """
    folder = folder or shipped("backbones")
    network = make_network(0)
    try:
        weights = load_file(folder / "mini.safetensors")
        network.load_state_dict(weights | load_file(folder / "mini-classifier.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"no pretrained network in {folder} ({reason}); train again into that folder"
        ) from error
    return network.eval()
