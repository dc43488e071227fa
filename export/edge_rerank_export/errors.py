"""Exceptions of the toolchain.

::

    ExportError (edge_rerank.errors.EdgeRerankError)
    ├── RecipeError        a recipe or an argument is malformed; exit code 2
    ├── SourceError        weights cannot be fetched or are not the pinned ones; exit code 2
    ├── UnsupportedModel   a model type this toolchain cannot convert; exit code 2
    ├── NotEnoughMemory    this machine has less than a build takes; exit code 2
    ├── WorkerLost         processes of a batch die again and again; exit code 2
    └── VerificationFailed the result does not rank like the original; exit code 3
"""

from __future__ import annotations

from edge_rerank.errors import EdgeRerankError


class ExportError(EdgeRerankError):
    """Base of the toolchain's errors; never raised itself."""


class RecipeError(ExportError):
    """A recipe or an argument is malformed."""


class SourceError(ExportError):
    """The weights cannot be fetched, or are not the ones that were pinned."""


class UnsupportedModel(ExportError):  # noqa: N818
    """The model is of a type that cannot be converted."""


class NotEnoughMemory(ExportError):  # noqa: N818
    """This machine has less memory than a build takes at most."""


class WorkerLost(ExportError):  # noqa: N818
    """The processes of a batch die again and again, or what is to run them does not."""


class VerificationFailed(ExportError):  # noqa: N818
    """The result falls short of the original."""
