"""TSN-IQA as a model: frozen backbone, normalization bank, heads, and the gate that mixes them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError, WeightsError, unknown_name
from tsniqa.model.backbone import Backbone, BackboneCard, find_weights, load_backbone
from tsniqa.model.gating import KMeansGate, softmin_weights
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import NormalizationBank
from tsniqa.model.readouts import MIXTURES, mix
from tsniqa.scoring.features import image_features


class TSNIQA:
    """Score images with one head a task, mixed by the gate.

    Attributes:
        backbone: The frozen network.
        bank: Normalization parameters of every task.
        heads: One head a task.
        offsets: For each task, its head's mean score over its own training images.
        gate: Centroids of every task.
        shorter_side: Larger images are resized to this shorter side before scoring, or None.
    """

    def __init__(
        self,
        backbone: Backbone,
        gate: KMeansGate,
        bank: NormalizationBank | None = None,
        shorter_side: int | None = None,
    ) -> None:
        self.backbone = backbone
        self.gate = gate
        self.bank = bank if bank is not None else NormalizationBank(backbone.network)
        self.heads: dict[str, LinearHead] = {}
        self.offsets: dict[str, float] = {}
        self.shorter_side = shorter_side

    @property
    def tasks(self) -> list[str]:
        """Names of the learned tasks, sorted: the order of columns everywhere."""
        return sorted(self.heads)

    def add_task(
        self,
        name: str,
        head: LinearHead,
        train_features: Tensor,
        gate_features: Sequence[Tensor],
        random_state: int,
    ) -> None:
        """Keep what was learned for a task; the network holds its normalization at this moment.

        Args:
            name: The task's name.
            head: Its learned head.
            train_features: [n, C], features of its training images under its normalization.
            gate_features: [n, C3] and [n, C4], the same images' under the initial normalization.
            random_state: Seed of the gate's K-means.
        """
        self.bank.store(name)
        self.heads[name] = head
        with torch.inference_mode():
            self.offsets[name] = float(head.score(train_features).double().mean())
        self.gate.fit([stage.numpy() for stage in gate_features], name, random_state)

    def head_scores(self, images: ImageSet, tasks: Sequence[str] | None = None) -> np.ndarray:
        """Return float32 scores [N, H] in [-1, 1] of the given tasks' heads (default: all)."""
        columns = []
        for task in self.tasks if tasks is None else tasks:
            with self.bank.swapped(task), torch.inference_mode():
                features = image_features(self.backbone, images).head
                columns.append(self.heads[task].score(features).numpy())
        return np.stack(columns, axis=1)

    def distances(self, images: ImageSet) -> np.ndarray:
        """Return the gate's float32 distances [N, T, 2] (see :meth:`KMeansGate.distances`)."""
        with self.bank.swapped(None):
            features = image_features(self.backbone, images).gate
        return self.gate.distances([stage.numpy() for stage in features])

    def score(self, images: ImageSet, use: str = "gated") -> np.ndarray:
        """Score images without being told their task; see :meth:`score_with_weights`."""
        return self.score_with_weights(images, use)[0]

    def score_with_weights(
        self, images: ImageSet, use: str = "gated"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score images, and say how much the gate trusts each head.

        Args:
            images: N images.
            use: A way to mix the heads, see :func:`tsniqa.model.readouts.mix`.

        Returns:
            Float64 quality [N], higher is better, in [-1, 1] but for ``centred``; and the gate's
            float64 weights [N, T], tasks in name order.

        Raises:
            ConfigError: No task has been learned, or the use is unknown.
        """
        if not self.heads:
            raise ConfigError("the model has learned no task yet; add one before scoring")
        if use not in MIXTURES:
            raise unknown_name("use", use, MIXTURES)
        offsets = np.array([self.offsets[task] for task in self.tasks])
        distances = self.distances(images)
        temperature = self.gate.temperature
        mixed = mix(self.head_scores(images), distances, use, offsets, temperature)
        return mixed, softmin_weights(distances, temperature)

    def state(self) -> dict[str, Tensor]:
        """Return everything learned as one flat dictionary of CPU tensors."""
        state = {f"gate/{key}": torch.from_numpy(c) for key, c in self.gate.state().items()}
        for task in self.tasks:
            state[f"head/{task}"] = self.heads[task].weight.detach().cpu()
            state[f"offset/{task}"] = torch.tensor(self.offsets[task], dtype=torch.float64)
            for name, value in self.bank.states[task].items():
                state[f"normalization/{task}/{name}"] = value
        return state

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Replace everything learned by what :meth:`state` returned."""
        self.bank.states, self.heads, self.offsets = {}, {}, {}
        for key, value in state.items():
            kind, rest = key.split("/", 1)
            if kind == "head":
                self.bank.states.setdefault(rest, {})  # a bank may store nothing at all
                self.heads[rest] = LinearHead(len(value))
                self.heads[rest].load_state_dict({"weight": value})
            elif kind == "offset":
                self.offsets[rest] = float(value)
            elif kind == "normalization":
                task, name = rest.split("/", 1)
                self.bank.states.setdefault(task, {})[name] = value
        prefix = "gate/"
        gate = {k.removeprefix(prefix): v.numpy() for k, v in state.items() if k.startswith(prefix)}
        self.gate.load_state(gate)

    def save(self, folder: Path) -> None:
        """Write the model into a folder: model.json, one normalization file a task, heads, gate."""
        folder.mkdir(parents=True, exist_ok=True)
        self.bank.save(folder / "normalization")
        rest = {k: v for k, v in self.state().items() if not k.startswith("normalization/")}
        save_file(rest, folder / "heads_and_gate.safetensors")
        description = {
            "tasks": self.tasks,
            "backbone": self.backbone.card.model_dump(mode="json"),
            "filters_fingerprint": self.backbone.filters_fingerprint(),
            "gate": {
                "clusters": self.gate.clusters,
                "n_init": self.gate.n_init,
                "temperature": self.gate.temperature,
            },
            "shorter_side": self.shorter_side,
        }
        (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "TSNIQA":
        """Read a model that :meth:`save` wrote.

        Raises:
            WeightsError: The folder is no such model, or its backbone is not the one it was
                learned on.
        """
        try:
            description = json.loads((folder / "model.json").read_text())
            rest = load_file(folder / "heads_and_gate.safetensors")
            card = BackboneCard.model_validate(description["backbone"])
            gate = KMeansGate(**description["gate"])
            filters, shorter_side = description["filters_fingerprint"], description["shorter_side"]
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise WeightsError(
                f"no saved model in {folder}; a finished run of the strategy 'tsn' leaves one in "
                "its record's 'model' folder"
            ) from error
        if card.weights not in ("hub", "none"):
            weights = find_weights(folder, card.weights)
            card = card.model_copy(update={"weights": str(weights)})
        backbone = load_backbone(card, device)
        if backbone.filters_fingerprint() != filters:
            raise WeightsError(
                f"{folder}: the weights of backbone '{card.name}' are not those the model "
                "was learned on; restore the original weight file"
            )
        model = cls(backbone, gate, shorter_side=shorter_side)
        model.load_state(rest)
        model.bank.restore(folder / "normalization")
        for task in model.tasks:
            if not model.bank.states[task]:
                raise WeightsError(
                    f"{folder} lacks normalization/{task}.safetensors; restore the file, or run "
                    "again"
                )
        return model
