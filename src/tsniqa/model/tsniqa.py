"""TSN-IQA as a model: frozen backbone, normalization bank, heads, and the gate that mixes them.

Models of other strategies are the same object: with one head for all tasks and no gate, or with
heads on one network that tasks have changed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from tsniqa.cards import saved_card
from tsniqa.errors import ConfigError, DataError, WeightsError, unknown_name
from tsniqa.model.backbone import Backbone, Features, fingerprint, load_backbone
from tsniqa.model.gating import KMeansGate, softmin_weights
from tsniqa.model.heads import Head, make_head
from tsniqa.model.normalization import NormalizationBank, everything
from tsniqa.model.readouts import MIXTURES, mix
from tsniqa.pixels import Image, as_images, batches, checked, shrink
from tsniqa.storage import grouped, load_tensors, save_tensors

SHARED = "shared"
"""Name of a head, or of a state of the bank, that all tasks have in common."""

BATCH = 16
"""Images a forward pass. Part of a result's last bits, so it is a constant and not an option."""


class TSNIQA(nn.Module):
    """Score images with one head a task, mixed by the gate.

    Attributes:
        lower_better: False: a higher score is a better image.
        backbone: The shared network.
        gate: Centroids of every task on the untouched network; None with one shared head.
        bank: What each task owns of the network. The head of a task that owns no state is read
            under the state ``"shared"`` if there is one, else under the untouched network.
        shorter_side: Larger images are shrunk to this shorter side before scoring, or None.
        heads: One head a task, or the one head ``"shared"``.
        offsets: For each head, its mean score over its own training images.
    """

    lower_better = False

    def __init__(
        self,
        backbone: Backbone,
        gate: KMeansGate | None = None,
        bank: NormalizationBank | None = None,
        shorter_side: int | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.gate = gate
        self.bank = NormalizationBank(backbone.network) if bank is None else bank
        self.shorter_side = shorter_side
        self.heads: dict[str, Head] = {}
        self.offsets: dict[str, float] = {}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "TSNIQA":
        super()._apply(fn, recurse)
        self.bank.apply(fn)  # states are no buffers, but go where the network goes
        return self

    @property
    def tasks(self) -> list[str]:
        """Names of the heads, sorted: the order of columns everywhere."""
        return sorted(self.heads)

    def add_task(
        self, name: str, head: Head, features: Features, gate_features: Sequence[Tensor],
        random_state: int = 0,
    ) -> None:  # fmt: skip
        """Keep what was learned for a task; the network holds its state at this moment.

        Args:
            name: The task's name.
            head: Its head.
            features: Of its n training images under that state, on the CPU.
            gate_features: [n, C3] and [n, C4] of the same images on the untouched network.
            random_state: Seed of the gate's K-means.
        """
        self.bank.store(name)
        self.keep_head(name, head, features)
        if self.gate is not None:
            self.gate.partial_fit([s.numpy() for s in gate_features], name, random_state)

    def keep_head(self, name: str, head: Head, features: Features) -> None:
        """Keep a head, and its mean score over the images of some features, on the CPU."""
        self.heads[name] = head
        self.offsets[name] = float(head.read(features).double().mean())

    def owner(self, task: str) -> str | None:
        """Name the state that a task's head is read under; None is the untouched network."""
        return next((name for name in (task, SHARED) if name in self.bank.states), None)

    def features(
        self, images: Tensor, tasks: Iterable[str], gate: bool = True
    ) -> dict[str | None, Features]:
        """Pass a batch, shrunk already, through every state that some heads and the gate need.

        Returns:
            Features by the state's name; None is the untouched network, which the gate reads.

        Raises:
            ConfigError: No task has been learned.
        """
        if not self.heads:
            raise ConfigError("the model has learned no task yet; add one before scoring")
        owners = dict.fromkeys([*map(self.owner, tasks), *([None] if gate and self.gate else [])])
        inputs, forward = self.backbone.preprocess(images), self.backbone.forward_with
        return {owner: forward(self.bank.state(owner), inputs) for owner in owners}

    def distances(self, features: Features) -> np.ndarray:
        """Return the gate's distances [N, T, 2] for features on the untouched network."""
        return self.gate.transform([stage.detach().cpu().numpy() for stage in features.gate])

    def forward(self, images: Tensor) -> Tensor:
        """Score a batch: gated (the paper), or by the shared head.

        Gradients reach the images; the gate's weights are constants. Where images are shrunk, those
        in uint8 are rounded once more.

        Args:
            images: [N, 3, H, W], uint8 or floating point in [0, 1].

        Returns:
            Float32 [N], in [-1, 1], higher is better, on the network's device.

        Raises:
            ConfigError: No task has been learned.
            DataError: Shape, type or values are not those of a batch of images.
        """
        images = shrink(checked(images, 4), self.shorter_side)
        features = self.features(images, self.tasks)
        scores = [self.heads[task].read(features[self.owner(task)]) for task in self.tasks]
        heads = torch.stack(scores, dim=1)
        if self.gate is None:
            return heads[:, 0]
        weights = softmin_weights(self.distances(features[None]), self.gate.temperature)
        return (heads * torch.as_tensor(weights).to(heads)).sum(1)

    def read(
        self, images: Iterable[Tensor], tasks: Sequence[str] | None = None, gate: bool = True
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Read heads and gate: batches of images outside, tasks inside.

        Args:
            images: N tensors [3, H, W], uint8 or floating point in [0, 1], shrunk already; a
                generator is read one batch at a time.
            tasks: Names of heads, default all; none if only the gate is asked.
            gate: Whether distances are wanted.

        Returns:
            Float32 scores [N, H] in [-1, 1], and the gate's distances [N, T, 2] or None.
        """
        tasks, gate = self.tasks if tasks is None else tasks, gate and self.gate is not None
        parts: dict[str | None, list[Features]] = {}
        with torch.inference_mode():
            for batch in batches(images, BATCH):
                for owner, features in self.features(batch, tasks, gate).items():
                    parts.setdefault(owner, []).append(features.cpu())
            whole = {owner: Features.joined(found) for owner, found in parts.items()}
            if not whole:
                raise DataError("there is no image to score; give at least one")
            heads = np.empty((len(next(iter(whole.values())).head), len(tasks)), dtype=np.float32)
            for column, task in enumerate(tasks):
                heads[:, column] = self.heads[task].read(whole[self.owner(task)])
        return heads, self.distances(whole[None]) if gate else None

    def explain(self, images: Image | Iterable[Image], readout: str = "gated") -> pd.DataFrame:
        """Score images, and say where each score comes from.

        Args:
            images: Paths, PIL images, arrays [H, W, 3] or tensors [3, H, W] (uint8, or floating
                point in [0, 1]); one or many.
            readout: One of :data:`tsniqa.model.readouts.MIXTURES`; a shared head needs none.

        Returns:
            One row per image with its ``score``; with a gate also ``head <task>``,
            ``weight <task>`` and ``distance <task>`` (mean of both stages).

        Raises:
            ConfigError: No task has been learned, or the readout is unknown.
            DataError: There is no image, one cannot be read, or its values are out of range.
        """
        if readout not in MIXTURES:
            raise unknown_name("readout", readout, MIXTURES)
        heads, distances = self.read(
            shrink(image, self.shorter_side) for image in as_images(images)
        )
        if self.gate is None:
            return pd.DataFrame({"score": heads[:, 0].astype(np.float64)})
        offsets, temperature = [self.offsets[task] for task in self.tasks], self.gate.temperature
        table = {"score": mix(heads, distances, readout, np.array(offsets), temperature)}
        weights, far = softmin_weights(distances, temperature), distances.mean(axis=2)
        for part, values in {"head": heads, "weight": weights, "distance": far}.items():
            table |= {f"{part} {task}": values[:, i] for i, task in enumerate(self.tasks)}
        return pd.DataFrame(table)

    def predict(self, images: Image | Iterable[Image], readout: str = "gated") -> np.ndarray:
        """Return the score of every image, float64 [N]; see :meth:`explain`."""
        return self.explain(images, readout)["score"].to_numpy()

    def state(self) -> dict[str, Tensor]:
        """Return everything learned as one flat dictionary of tensors."""
        tensors: dict[str, Tensor] = {}
        for task, stages in self.gate.centroids_.items() if self.gate else ():
            tensors |= {f"gate/{task}/{i}": torch.from_numpy(c) for i, c in enumerate(stages)}
        for task, head in self.heads.items():
            tensors |= {f"heads/{task}/{name}": value for name, value in head.state_dict().items()}
            tensors[f"heads/{task}/offset"] = torch.tensor(self.offsets[task], dtype=torch.float64)
        for task, own in self.bank.states.items():
            tensors |= {f"bank-{task}/{name}": value for name, value in own.items()}
        return tensors

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace everything learned by what :meth:`state` returned.

        Raises:
            WeightsError: A state does not fit the network.
        """
        self.bank.states, self.heads, self.offsets = {}, {}, {}
        files = grouped(state)
        for task, own in grouped(files.pop("heads", {})).items():
            self.offsets[task] = float(own.pop("offset"))
            self.heads[task] = make_head(own)
        centroids = grouped(files.pop("gate", {})).items()
        if self.gate is not None:
            self.gate.centroids_ = {k: [c[i].numpy() for i in sorted(c)] for k, c in centroids}
        for name, own in files.items():
            self.bank.put(name.removeprefix("bank-"), own)

    def fingerprint(self) -> str:
        """Hash the bits of the untouched network, normalization included."""
        return fingerprint(everything(self.backbone.network) | self.bank.state(None))

    def save(self, folder: str | Path) -> None:
        """Write the model into a folder: model.json, and one safetensors file a state."""
        about = {
            "tasks": {task: self.owner(task) for task in self.tasks},
            "backbone": self.backbone.card.model_dump(mode="json"),
            "network": self.fingerprint(),
            "select": self.bank.select,
            "gate": self.gate.get_params() if self.gate else None,
            "shorter_side": self.shorter_side,
        }
        save_tensors(folder, about, self.state())

    @classmethod
    def load(
        cls, folder: str | Path, device: str = "cpu", allow_download: bool = False
    ) -> "TSNIQA":
        """Read a model that :meth:`save` wrote; nothing in the folder is run as code.

        Args:
            folder: The model's folder.
            device: A torch device name.
            allow_download: Let timm fetch the backbone's weights, if they came from its hub.

        Raises:
            WeightsError: The folder is no such model, a file was changed, or the backbone's weights
                are missing, or not those the model was learned on.
        """
        about, state = load_tensors(folder)
        try:
            card = saved_card(about["backbone"], Path(folder), allow_download)
            backbone = load_backbone(card, device)
            bank = NormalizationBank(backbone.network, about["select"])
            gate = None if about["gate"] is None else KMeansGate(**about["gate"])
            model = cls(backbone, gate, bank, about["shorter_side"])
            if model.fingerprint() != about["network"]:
                raise WeightsError(
                    f"{folder}: the weights of backbone '{card.name}' are not those the model "
                    "was learned on; restore the original weight file"
                )
            model.load_state(state)
            owners = {task: model.owner(task) for task in model.tasks}
            if owners != about["tasks"] or (gate and gate.tasks_ != model.tasks):
                raise ValueError("it lists other tasks than its files hold")
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f"{folder}: model.json is not valid ({error}); learn anew"
            ) from error
        return model
