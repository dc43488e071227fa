"""The telemetry of onnxruntime, switched off before it is imported.

onnxruntime 1.29 and later reports usage by default; only ``ORT_DISABLE_TELEMETRY=1``, set
before its import, stops it. Import this module before anything that imports onnxruntime.
"""

from __future__ import annotations

import os
import sys
import warnings

_VARIABLE = "ORT_DISABLE_TELEMETRY"


def _switch_off() -> bool:
    """Set the variable; tell whether that came in time."""
    in_time = os.environ.get(_VARIABLE) == "1" or "onnxruntime" not in sys.modules
    os.environ[_VARIABLE] = "1"
    if not in_time:
        warnings.warn(
            "onnxruntime was imported before edge_rerank, so its telemetry may be on: "
            f"import edge_rerank first, or set {_VARIABLE}=1 for the process",
            RuntimeWarning,
            stacklevel=3,
        )
    return in_time


TELEMETRY_OFF = _switch_off()
"""Whether telemetry was off before onnxruntime was loaded; shown by ``doctor``."""
