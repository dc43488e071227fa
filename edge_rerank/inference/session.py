"""Execution providers and sessions: the only module that talks to onnxruntime.

onnxruntime is imported when the first session is made, not when this module is: a host
that only records events never pays for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from edge_rerank import _telemetry
from edge_rerank._check import check_integer
from edge_rerank._process import keep_for_ever, when_forked
from edge_rerank.errors import InferenceError, InvalidRequest, ProviderUnavailable
from edge_rerank.inference.arena import use_arena
from edge_rerank.inference.signed_products import exact_products, signed_weights
from edge_rerank.inference.trim import TRIMMER
from edge_rerank.inference.workers import Workers
from edge_rerank.packs.external_data import Model
from edge_rerank.packs.onnx_detach import detached

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

assert _telemetry.TELEMETRY_OFF is not None  # noqa: S101 - keeps the import, which must come first

MAX_DEFAULT_THREADS = 4
"""More threads than this gain little on models of this size and starve the host."""

SHORT_NAMES = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
    "qnn": "QNNExecutionProvider",
}
"""Full names of the providers that a host may ask for by a short one."""

_RECORDED = "session.record_ep_graph_assignment_info"

REMOTE_PROVIDERS = frozenset({"AzureExecutionProvider"})
"""Providers that are part of every onnxruntime and send what they are given to a server."""

_NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
}


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape and element type of a model's input.

    Attributes:
        shape: sizes; the name of an axis where any size will do.
        dtype: object for element types that this package never uses.
    """

    shape: tuple[int | str | None, ...]
    dtype: np.dtype[Any]


def available_providers() -> tuple[str, ...]:
    """The execution providers of the installed onnxruntime, in its order of preference.

    Those that would send texts to a server are left out, and cannot be asked for.
    """
    import onnxruntime  # noqa: PLC0415

    found = onnxruntime.get_available_providers()
    return tuple(name for name in found if name not in REMOTE_PROVIDERS)


def resolve_providers(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Full provider names for what the host asked for; CPU when it asked for nothing.

    Args:
        wanted: full names ("CUDAExecutionProvider") or short ones ("cuda"), by preference.

    Raises:
        InvalidRequest: when ``wanted`` is not a sequence of strings, or is empty.
        ProviderUnavailable: when one of them is not part of this onnxruntime.
    """
    if wanted is None:
        return (SHORT_NAMES["cpu"],)
    if isinstance(wanted, str) or not all(isinstance(name, str) for name in wanted) or not wanted:
        raise InvalidRequest("providers: expected a non-empty sequence of provider names")
    names = tuple(SHORT_NAMES.get(name.lower(), name) for name in wanted)
    present = available_providers()
    for name in names:
        if name not in present:
            raise ProviderUnavailable(
                f"providers: {name!r} is not part of the installed onnxruntime, "
                f"which has {', '.join(present)}"
            )
    return names


def usable_processors() -> int:
    """The processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)


def default_threads() -> int:
    """Threads for one call: the usable processors, at most four."""
    return min(usable_processors(), MAX_DEFAULT_THREADS)


class Session:
    """One loaded ONNX model.

    Args:
        model: the bytes of an ONNX file, with what lies beside it where something does, already
            checked against its pack's manifest; or what gives them, so that nobody else holds
            them while they are loaded.
        providers: see :func:`resolve_providers`.
        threads: runs at once in :meth:`run_each` on a processor, each on one thread, ≥ 1;
            ``None`` for :func:`default_threads`.
        recorded: whether :meth:`assignment` will be asked for.
        small: whether a run takes so little memory that it is kept for the next: giving it back
            took longer than the run of a graph of 20 nodes.

    Raises:
        InvalidRequest: when ``threads`` is out of range.
        ProviderUnavailable: when a provider cannot be used; there is no silent fallback.
        InferenceError: when onnxruntime refuses the model.
    """

    def __init__(
        self,
        model: Model | bytes | Callable[[], Model],
        *,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        recorded: bool = False,
        small: bool = False,
    ) -> None:
        import onnxruntime  # noqa: PLC0415

        if threads is not None:
            wanted = "an integer from 1 to 256, or None"
            check_integer(threads, "threads", InvalidRequest, minimum=1, maximum=256, wanted=wanted)
        names = resolve_providers(providers)
        options = onnxruntime.SessionOptions()
        # Threads inside one operator wait for each other, spinning: 20 candidates of a scorer of
        # 135 million weights took 1.77 times the processor time of one thread with them, 1.37
        # without spinning, and 1.00 in two runs at once. Beside work on both cores their wall
        # time was 1.9 times that of the two runs.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False
        on_cpu = names[0] == SHORT_NAMES["cpu"]
        self._each_run = use_arena(options) if on_cpu and not small else None
        if recorded:
            options.add_session_config_entry(_RECORDED, "1")
        if isinstance(model, bytes):
            model = Model(model)
        elif callable(model):
            model = model()
        if on_cpu and _takes_data(options) is not None:
            model = detached(model)
        if on_cpu and (exact := exact_products()) is not None:
            model = signed_weights(model, exact)
        if model.location:
            _add_external(options, model)
        try:
            self._session: InferenceSession = onnxruntime.InferenceSession(
                model.graph, options, providers=list(names)
            )
        except Exception as error:
            raise InferenceError(
                f"the model could not be loaded: {type(error).__name__}"
            ) from error
        # The session keeps the file's bytes beside the weights it made of them, for a fallback
        # that is never taken here; where external data lay, its options would still look then.
        self._session._model_bytes = b""
        self._session.disable_fallback()
        self._recorded = recorded
        when_forked(self)
        self.threads: int = threads or default_threads()
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        if self.providers[0] != names[0]:
            raise ProviderUnavailable(
                f"providers: {names[0]!r} could not be initialised; "
                f"onnxruntime offered {self.providers[0]!r} instead"
            )
        self._workers = Workers(self.threads if on_cpu else 1, when_idle=TRIMMER.idle)

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        """What the model expects, by name."""
        return {
            entry.name: TensorType(
                tuple(entry.shape), np.dtype(_NUMPY_TYPES.get(entry.type, np.object_))
            )
            for entry in self._session.get_inputs()
        }

    def assignment(self) -> list[tuple[str, str]]:
        """Each node's operator and the provider that runs it, after the graph was simplified.

        Empty where the session was not made to record it, or onnxruntime (before 1.24) does not.
        """
        info = getattr(self._session, "get_provider_graph_assignment_info", None)
        if info is None or not self._recorded:
            return []
        return [(node.op_type, part.ep_name) for part in info() for node in part.get_nodes()]

    @property
    def at_once(self) -> int:
        """How many runs :meth:`run_each` makes at once; 1 where another device computes."""
        return self._workers.count

    def leave_to_parent(self) -> None:
        """Never free the session, in a child: it waits for threads that only the parent has."""
        keep_for_ever(self._session)
        keep_for_ever(self._workers)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model once; safe from several threads.

        Raises:
            InferenceError: when onnxruntime fails; the message has no input in it.
        """
        started = time.perf_counter()
        try:
            found = self._session.run(None, dict(inputs), self._each_run)
        except Exception as error:
            shapes = {name: np.shape(value) for name, value in inputs.items()}
            raise InferenceError(
                f"the model failed on inputs of shape {shapes}: {type(error).__name__}"
            ) from error
        TRIMMER.ran(time.perf_counter() - started)
        return cast("list[NDArray[Any]]", found)

    def run_each(self, feeds: Sequence[Mapping[str, NDArray[Any]]]) -> list[list[NDArray[Any]]]:
        """Run the model once for each of ``feeds``, as many at once as there are threads.

        Raises:
            InferenceError: see :meth:`run`.
        """
        found = self._workers.map(self.run, feeds)
        TRIMMER.settle()
        return found

    def rest(self) -> None:
        """Have a worker thread, where there is one, give memory back if no call comes soon."""
        self._workers.rest()


def _takes_data(options: SessionOptions) -> Callable[..., None] | None:
    """What gives onnxruntime the bytes beside a model; ``None`` before onnxruntime 1.24."""
    return getattr(options, "add_external_initializers_from_files_in_memory", None)


def _add_external(options: SessionOptions, model: Model) -> None:
    """Give onnxruntime the bytes beside a model, which it copies what it needs of.

    Given as single tensors, all that earlier versions take, they would have to be kept as long as
    the session, beside what it makes of them. Measured on 768 MiB of float32 matrices: the same
    peak of 1,670 MiB, but then 1,609 MiB kept, against 834.

    Raises:
        InferenceError: when this onnxruntime takes them in no such way.
    """
    add = _takes_data(options)
    if add is None:
        raise InferenceError(
            "the model has weights beside it, which needs onnxruntime 1.24 or later: "
            "pip install -U onnxruntime"
        )
    add([model.location], [model.data], [len(model.data)])


def finite(
    outputs: Sequence[NDArray[Any]], place: int, shape: tuple[int, ...], whose: str
) -> NDArray[Any]:
    """One output of a model, if it is what it should be.

    Args:
        outputs: what :meth:`Session.run` returned.
        place: of the output among them.
        shape: expected.
        whose: names the model, for the error.

    Raises:
        InferenceError: when it has another shape or type, or holds something that is no number.
    """
    found = outputs[place] if place < len(outputs) else None
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype.kind != "f":
        raise InferenceError(f"{whose} returned something other than numbers of shape {shape}")
    if not np.isfinite(found).all():
        raise InferenceError(f"{whose} returned something that is no number")
    return found
