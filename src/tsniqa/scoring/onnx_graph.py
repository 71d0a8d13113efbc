"""The backbone as an ONNX graph, written once; every state of the bank is put into it by name."""

import io
import warnings
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy

import numpy as np
import onnx
import torch
from onnx import GraphProto, ModelProto, helper, numpy_helper
from torch import Tensor, nn

from tsniqa.errors import ConfigError, one_line
from tsniqa.model.backbone import Backbone

OPSET = 17
FEATURES = ("third", "fourth", "head")
"""Outputs of :func:`feature_graph`: those of the gate's two stages, and the heads'."""


class ExportableBackbone(nn.Module):
    """A copy of a backbone as a function of images and of the tensors of a bank's state."""

    def __init__(self, backbone: Backbone, names: Sequence[str]) -> None:
        """Copy a backbone whose tensors of some names will be given."""
        super().__init__()
        self.backbone = deepcopy(backbone).cpu()
        network = self.backbone.network
        self.places = []
        for name in names:
            layer, _, key = name.rpartition(".")
            self.places.append((network.get_submodule(layer), key))
            delattr(*self.places[-1])

    def forward(self, inputs: Tensor, *values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return :data:`FEATURES` of preprocessed images."""
        for place, value in zip(self.places, values, strict=True):
            setattr(*place, value)
        features = self.backbone(inputs)
        return *features.gate, features.head


def export(
    module: nn.Module, inputs: Sequence[Tensor], names: Sequence[str], outputs: Sequence[str]
) -> ModelProto:
    """Write the graph of a module whose first input is images of any number and size.

    Nothing is folded, so that filters that several states share are in it once.

    Args:
        module: Takes ``inputs``.
        inputs: Examples of its inputs, the first float32 [N, 3, H, W].
        names: Of the inputs.
        outputs: Names of its outputs, each with one row an image.

    Raises:
        ConfigError: Something in the module cannot be written as ONNX.
    """
    rows = {name: {0: "images"} for name in outputs}
    axes = {names[0]: {0: "images", 2: "height", 3: "width"}} | rows
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of what a trace takes for constants: to be compared
            torch.onnx.export(
                module.eval(), tuple(inputs), file, dynamo=False, opset_version=OPSET,
                input_names=list(names), output_names=list(outputs), dynamic_axes=axes,
                training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
            )  # fmt: skip
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        reason = one_line(error)[:200]  # some print whole tensors
        raise ConfigError(f"the network cannot be written as ONNX: {reason}") from error
    whole = onnx.load_from_string(file.getvalue())
    _name_same_padding(whole.graph)
    _prune(whole.graph)
    return whole


def _name_same_padding(graph: GraphProto) -> None:
    """Let convolutions pad as TensorFlow does, where the graph computes that from the image's size.

    A library that does not know the padding before it sees the image pads a copy: that alone is an
    eighth of the time of EfficientNet-Lite0.
    """
    made = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        pad = made.get(node.input[0]) if node.op_type == "Conv" else None
        if pad is not None and pad.op_type == "Pad" and pad.input[1] in made:
            node.input[0] = pad.input[0]
            others = [one for one in node.attribute if one.name != "pads"]
            del node.attribute[:]
            node.attribute.extend([*others, helper.make_attribute("auto_pad", "SAME_UPPER")])


def _prune(graph: GraphProto) -> None:
    """Remove what no output needs."""
    wanted, nodes = {one.name for one in graph.output}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            nodes.append(node)
            wanted |= set(node.input)
    del graph.node[:]
    graph.node.extend(reversed(nodes))
    for unused in [one for one in graph.initializer if one.name not in wanted]:
        graph.initializer.remove(unused)


def feature_graph(backbone: Backbone, state: Mapping[str, Tensor]) -> ModelProto:
    """Write the graph from :meth:`.Backbone.preprocess`'s images ``x`` to :data:`FEATURES`.

    Args:
        backbone: The network.
        state: A state of its bank; its tensors are inputs of the graph by their names, until
            :func:`with_state` puts them in.

    Raises:
        ConfigError: Something in the network cannot be written as ONNX.
    """
    module = ExportableBackbone(backbone, list(state))
    values = [value.cpu() for value in state.values()]
    return export(module, [torch.rand(1, 3, 64, 96), *values], ["x", *state], FEATURES)


def with_state(graph: ModelProto, state: Mapping[str, Tensor], outputs: Collection[str]) -> bytes:
    """Return :func:`feature_graph` with a state's tensors, and with no node but for some outputs.

    Inference libraries fold normalization into the convolutions when they read it.
    """
    whole = ModelProto()
    whole.CopyFrom(graph)
    own = whole.graph
    for left_out in [one for one in own.output if one.name not in outputs]:
        own.output.remove(left_out)
    del own.input[1:]
    for name, value in state.items():
        array = np.ascontiguousarray(value.detach().cpu().numpy())
        own.initializer.append(numpy_helper.from_array(array, name))
    _prune(own)
    return whole.SerializeToString()
