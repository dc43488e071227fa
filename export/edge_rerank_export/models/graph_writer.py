"""Writer of ONNX graphs, node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
"""Operator set of what is written."""

_IR_VERSION = 10

Axis = int | str
"""An axis of an input: its length, or a name where any will do."""

TINY = 1e-12
"""Length below which a vector is not scaled up to 1."""


class GraphWriter:
    """Nodes and constants of a graph in the order that they are written.

    Attributes:
        nodes: those written.
        tensors: constants.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[TensorProto] = []
        self._known: dict[tuple[Any, ...], str] = {}
        self._counts: dict[str, int] = {}

    def constant(self, values: ArrayLike, kind: type[np.generic], hint: str = "constant") -> str:
        """A constant's name; small equal ones are written once.

        Args:
            values: the constant.
            kind: type of its elements.
            hint: what its name begins with.
        """
        array = np.ascontiguousarray(np.asarray(values, dtype=kind))
        array = array.reshape(np.shape(values))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = self._named(hint)
            self._known[key] = name
            self.tensors.append(numpy_helper.from_array(array, name))
        return self._known[key]

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Write a node with one output, whose name comes back.

        Args:
            operator: of ONNX's own.
            inputs: names; empty for one that is left out.
            name: of the node and its output; made up where it is empty.
            attributes: of the node; such as are ``None`` are left out.
        """
        made = name or self._named(operator)
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(operator, list(inputs), [made], name=made, **given))
        return made

    def unit(self, rows: str, output: str) -> str:
        """Rows scaled to length 1, as ``output``; of zeros where they are nearly none."""
        axes = self.constant([1], np.int64)
        length = self.add("ReduceL2", rows, axes, keepdims=1)
        least = self.constant(TINY, np.float32)
        return self.add("Div", rows, self.add("Max", length, least), name=output)

    def model(
        self,
        inputs: Mapping[str, tuple[int, Sequence[Axis]]],
        outputs: Mapping[str, tuple[int, Sequence[Axis]]],
    ) -> onnx.ModelProto:
        """The model of all that was written.

        Args:
            inputs: by name, type of an element (``TensorProto.DataType``) and axes.
            outputs: likewise.
        """
        graph = helper.make_graph(
            self.nodes,
            "encoder",
            [helper.make_tensor_value_info(name, *of) for name, of in inputs.items()],
            [helper.make_tensor_value_info(name, *of) for name, of in outputs.items()],
            self.tensors,
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="edge-rerank-export",
        )

    def _named(self, hint: str) -> str:
        count = self._counts.get(hint, 0)
        self._counts[hint] = count + 1
        return f"{hint}_{count}"
