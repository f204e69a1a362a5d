"""Every error that the toolchain raises on purpose.

```
edge.errors.EdgeError
└── QuantizeError             the toolchain cannot do what it was asked to
    ├── GraphError            the model is broken, or of a kind that cannot be rewritten
    └── PassError             a pass failed; the message names those that had already run
        ├── PreconditionError     the model lacks what the pass needs
        ├── PostconditionError    the model does not keep what the pass promised
        └── DriftError            the rewritten model computes something else
```

They are errors of edge-swap too: the command line turns each into one line and exit status 2.
"""

from __future__ import annotations

from edge.errors import EdgeError

__all__ = [
    "DriftError",
    "GraphError",
    "PassError",
    "PostconditionError",
    "PreconditionError",
    "QuantizeError",
]


class QuantizeError(EdgeError):
    """The toolchain cannot do what it was asked to."""


class GraphError(QuantizeError):
    """The model is broken, or of a kind that cannot be rewritten."""


class PassError(QuantizeError):
    """A pass failed."""


class PreconditionError(PassError):
    """The model lacks what a pass needs."""


class PostconditionError(PassError):
    """The model does not keep what a pass promised."""


class DriftError(PassError):
    """The rewritten model computes something else than before."""
