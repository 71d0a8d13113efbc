"""The frozen backbone: any timm convolutional network, described by a YAML card.

The filters of the network never change while tasks are learned; a
fingerprint over every parameter outside the normalization layers proves it.
"""

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import timm
import torch
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from tsniqa.errors import ConfigError, WeightsError, unknown_name
from tsniqa.model.normalization import normalization_layers
from tsniqa.paths import resolve, shipped

WEIGHTS_VARIABLE = "TSNIQA_WEIGHTS"
"""Environment variable that names one more folder to look for weight files in."""

COMPUTED_FIELDS = {"model", "arguments", "mean", "std", "stages", "head_feature"}
"""Fields of a card that, beside the weights, decide what a backbone computes."""

Triple = tuple[float, float, float]


class BackboneCard(BaseModel):
    """What a backbone card (YAML) says.

    Attributes:
        name: The card's name.
        model: Name of the timm architecture.
        arguments: Further arguments of ``timm.create_model``.
        weights: ``"hub"`` (timm's download), ``"none"`` (random, for tests), or a path to a
            ``.safetensors`` file or a state dict; relative paths count from the card's folder,
            then from the project root, then from the folder named by the environment variable
            ``TSNIQA_WEIGHTS``.
        sha256: Checksum of the weight file, or None if it is not checked.
        mean: Per-channel mean of the network's input, on the scale [0, 1].
        std: Per-channel standard deviation of the network's input, on the scale [0, 1].
        stages: The two intermediate outputs that feed the gate, counted as in
            ``forward_intermediates``; the paper's stages 3 and 4 are the last two.
        head_feature: What feeds the prediction heads: ``"final"``, the network's last
            convolutional output (for MobileNetV2 the 1,280-channel ``conv_head``), or
            ``"stage"``, the last of ``stages``.
        source: Where the weights come from and how they were made.
        licence: Licence of the weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    model: str
    arguments: dict[str, object] = {}
    weights: str
    sha256: str | None = None
    mean: Triple
    std: Triple
    stages: tuple[int, int] = (-2, -1)
    head_feature: Literal["final", "stage"] = "final"
    source: str = ""
    licence: str = ""


class Features(NamedTuple):
    """Globally average-pooled, L2-normalised features of N images.

    Attributes:
        gate: Two float32 tensors [N, C3] and [N, C4], for the gate.
        head: Float32 tensor [N, C], for the prediction heads.
    """

    gate: tuple[Tensor, Tensor]
    head: Tensor


class Backbone(nn.Module):
    """A pretrained network whose parameters are all frozen and which stays in evaluation mode."""

    def __init__(self, card: BackboneCard, network: nn.Module) -> None:
        super().__init__()
        self.card = card
        self.network = network.to(memory_format=torch.channels_last).eval().requires_grad_(False)

    def preprocess(self, images: Tensor) -> Tensor:
        """Bring uint8 images [N, 3, H, W] to the network's input: float32, normalised."""
        return _to_input(images.to(self.device), self.card.mean, self.card.std)

    def features(self, inputs: Tensor) -> Features:
        """Compute the pooled features of a batch.

        Args:
            inputs: Float32 [N, 3, H, W] from :meth:`preprocess`.

        Returns:
            The features that the gate and the heads read, L2-normalised (the paper).
        """
        final, maps = self.network.forward_intermediates(inputs)
        pooled = [normalize(maps[i].float().mean((2, 3)), dim=1) for i in self.card.stages]
        head = final if self.card.head_feature == "final" else maps[self.card.stages[-1]]
        return Features((pooled[0], pooled[1]), normalize(head.float().mean((2, 3)), dim=1))

    @property
    def device(self) -> torch.device:
        """The device that holds the parameters."""
        return next(self.network.parameters()).device

    @cached_property
    def head_width(self) -> int:
        """Number of channels C of the feature that feeds the heads."""
        probe = torch.zeros(1, 3, 64, 64, device=self.device)
        with torch.inference_mode():
            return self.features(probe).head.shape[1]

    def filters(self) -> dict[str, Tensor]:
        """Return every parameter outside the normalization layers, by name."""
        layers = tuple(f"{name}." for name in normalization_layers(self.network))
        return {
            name: value
            for name, value in self.network.named_parameters()
            if not name.startswith(layers)
        }

    def filters_fingerprint(self) -> str:
        """Hash names and bits of all filters; equal before and after learning if frozen."""
        return fingerprint(self.filters())


def fingerprint(tensors: dict[str, Tensor]) -> str:
    """Return the sha256 over names, shapes, dtypes and bits of tensors, in name order."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def load_card(name: str) -> BackboneCard:
    """Read a backbone card.

    Args:
        name: Name of a card in ``data/backbones``, or the path of a user's own YAML file.

    Raises:
        ConfigError: The name is unknown, or the file is not a valid card.
    """
    folder = shipped("backbones")
    if name.endswith((".yml", ".yaml")):
        path = resolve(name)
    else:
        path = folder / f"{name}.yml"
        if not path.is_file():
            raise unknown_name("backbone", name, [card.stem for card in folder.glob("*.yml")])
    if not path.is_file():
        raise ConfigError(f"no backbone card at {path}; give the path of a YAML card")
    try:
        content = {"name": path.stem, **yaml.safe_load(path.read_text())}
        card = BackboneCard.model_validate(content)
    except (yaml.YAMLError, TypeError) as error:
        raise ConfigError(f"{path} is not a YAML mapping; see data/backbones/mini.yml") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {field}: {first['msg']}") from error
    if card.weights in ("hub", "none"):
        return card
    return card.model_copy(update={"weights": str(find_weights(path.parent, card.weights))})


def find_weights(folder: Path, name: str) -> Path:
    """Return the first existing place of a weight file.

    Args:
        folder: Where relative names count from first.
        name: A relative or absolute path. Of a path that no longer exists (a model made on another
            machine) the file's own name is sought, too.

    Returns:
        An existing file, or else the place under the project root.
    """
    places = [folder / Path(name).expanduser(), resolve(name)]
    if WEIGHTS_VARIABLE in os.environ:
        own = resolve(os.environ[WEIGHTS_VARIABLE])
        places += [own / name, own / Path(name).name]
    places.append(shipped("backbones") / Path(name).name)
    return next((place for place in places if place.is_file()), places[1])


def load_backbone(card: BackboneCard, device: str = "cpu") -> Backbone:
    """Build the network of a card with its weights.

    Args:
        card: From :func:`load_card`.
        device: A torch device name.

    Returns:
        The frozen backbone, in evaluation mode, on the device.

    Raises:
        ConfigError: timm does not know the architecture or its arguments, or the network has no
            such stages.
        WeightsError: The weights are missing, fail their checksum, or do not fit.
    """
    network = _build(card)
    if card.weights == "hub":
        network = _from_hub(card)
    elif card.weights != "none":
        _load_file(network, card)
    backbone = Backbone(card, network).to(device)
    try:
        _ = backbone.head_width  # one forward pass: the card's stages exist
    except (AttributeError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"backbone '{card.name}': '{card.model}' yields no features at stages "
            f"{card.stages} ({reason}); correct 'stages', or choose a convolutional network"
        ) from error
    return backbone


def _build(card: BackboneCard) -> nn.Module:
    """Let timm build the architecture with random weights: the same ones every time."""
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return timm.create_model(card.model, pretrained=False, num_classes=0, **card.arguments)
    except Exception as error:  # what timm raises for arguments it does not like varies
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"backbone '{card.name}': timm cannot build '{card.model}': {reason}"
        ) from error


def _from_hub(card: BackboneCard) -> nn.Module:
    """Let timm download (or find in its cache) the weights of a card."""
    try:
        return timm.create_model(card.model, pretrained=True, num_classes=0, **card.arguments)
    except Exception as error:
        raise WeightsError(
            f"backbone '{card.name}': the weights of '{card.model}' cannot be downloaded "
            f"({type(error).__name__}); on a machine with network access run: "
            f"python -c \"import timm; timm.create_model('{card.model}', pretrained=True)\" "
            "and copy its cache folder (~/.cache/huggingface), or point 'weights' of a card at a "
            "local file"
        ) from error


def _load_file(network: nn.Module, card: BackboneCard) -> None:
    """Load a local weight file strictly, but for batch counters and classifier weights."""
    path = Path(card.weights)
    if not path.is_file():
        raise WeightsError(
            f"backbone '{card.name}': no weight file at {path}; put it there, name its folder in "
            f"the environment variable {WEIGHTS_VARIABLE}, or choose another backbone"
        )
    if card.sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != card.sha256:
        raise WeightsError(
            f"backbone '{card.name}': {path} does not have the card's sha256; fetch it again"
        )
    state = _read_state(path, card)
    own = network.state_dict()
    classifier = network.get_classifier_name() if hasattr(network, "get_classifier_name") else None
    surplus = [
        name
        for name in state
        if name not in own and name.split(".")[0] not in {classifier, "fc", "classifier", "head"}
    ]
    missing = [
        name for name in own if name not in state and not name.endswith("num_batches_tracked")
    ]
    reshaped = [name for name in own if name in state and own[name].shape != state[name].shape]
    if missing or surplus or reshaped:
        names = ", ".join((missing + surplus + reshaped)[:3])
        raise WeightsError(
            f"backbone '{card.name}': {path} does not fit '{card.model}' ({len(missing)} missing, "
            f"{len(surplus)} unexpected tensors, {len(reshaped)} of another shape: {names}, ...); "
            "check 'model' and 'arguments'"
        )
    network.load_state_dict(state, strict=False)


def _read_state(path: Path, card: BackboneCard) -> dict[str, Tensor]:
    """Read a state dict without running any code that the file may hold."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value for name, value in state.items() if isinstance(value, Tensor)}
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(f"backbone '{card.name}': {path} cannot be loaded: {reason}") from error


def _to_input(batch: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Turn pixels into network input: scale to [0, 1], subtract the mean, divide by the std.

    Args:
        batch: uint8 [B, 3, H, W], on any device.
        mean: Three channel means on the [0, 1] scale.
        std: Three channel standard deviations on the [0, 1] scale.

    Returns:
        float32 [B, 3, H, W] in channels-last memory, on the same device.
    """
    values = batch.to(torch.float32, memory_format=torch.channels_last)
    if values is batch:
        values = batch.clone()
    offset = values.new_tensor(mean).mul_(255).view(1, 3, 1, 1)
    scale = values.new_tensor(std).mul_(255).view(1, 3, 1, 1)
    return values.sub_(offset).div_(scale)
