"""Every error that the toolchain raises on purpose.

```
edge.errors.EdgeError
└── QuantizeError             the toolchain cannot do what it was asked to
    ├── GraphError            the model is broken, or of a kind that cannot be rewritten
    │   └── ModelFileError        its file cannot be read, or is none that the toolchain takes
    ├── ContractError         a card does not fit the model, or nobody says what the model takes
    ├── TargetError           no such target, or its profile is malformed
    ├── EngineError           ONNX Runtime cannot load or run a model
    │   └── KernelsUnavailable    not with the kernels that were asked for
    ├── RecipeError           no such recipe, or it is malformed
    ├── SamplesError          there is nothing to calibrate or to judge a model on
    ├── CalibrationError      the values that flow through the model cannot be measured
    ├── BudgetError           no set of float layers meets the quality budget
    ├── BuildError            no bundle can be made of a model for a target
    ├── CheckError            what was made failed its own test
    ├── MeasureError          models cannot be measured, compared or reported on
    ├── ConverterError        a converter of others cannot convert the model
    ├── TFLiteError           the model holds what cannot be written as TFLite
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
    "BudgetError",
    "BuildError",
    "CalibrationError",
    "CheckError",
    "ContractError",
    "ConverterError",
    "DriftError",
    "EngineError",
    "GraphError",
    "KernelsUnavailable",
    "MeasureError",
    "ModelFileError",
    "PassError",
    "PostconditionError",
    "PreconditionError",
    "QuantizeError",
    "RecipeError",
    "SamplesError",
    "TFLiteError",
    "TargetError",
]


class QuantizeError(EdgeError):
    """The toolchain cannot do what it was asked to."""


class GraphError(QuantizeError):
    """The model is broken, or of a kind that cannot be rewritten."""


class ModelFileError(GraphError):
    """A model's file cannot be read, or is none that the toolchain takes."""


class ContractError(QuantizeError):
    """A card does not fit the model, or nobody says what the model takes."""


class TargetError(QuantizeError):
    """There is no such target, or its profile is malformed."""


class EngineError(QuantizeError):
    """ONNX Runtime cannot load or run a model."""


class KernelsUnavailable(EngineError):
    """ONNX Runtime cannot run this model with the kernels that were asked for."""


class BudgetError(QuantizeError):
    """No set of float layers meets the quality budget."""


class BuildError(QuantizeError):
    """No bundle can be made of a model for a target."""


class CheckError(QuantizeError):
    """What was made failed its own test."""


class TFLiteError(QuantizeError):
    """The model holds what cannot be written as TFLite; the message names node and operator."""


class ConverterError(QuantizeError):
    """A converter of others (MNN's, pnnx) cannot convert the model; the message says why."""


class PassError(QuantizeError):
    """A pass failed."""


class PreconditionError(PassError):
    """The model lacks what a pass needs."""


class PostconditionError(PassError):
    """The model does not keep what a pass promised."""


class DriftError(PassError):
    """The rewritten model computes something else than before."""


class RecipeError(QuantizeError):
    """No such recipe, or it is malformed."""


class SamplesError(QuantizeError):
    """There is nothing to calibrate or to judge a model on."""


class CalibrationError(QuantizeError):
    """The values that flow through the model cannot be measured."""


class MeasureError(QuantizeError):
    """Models cannot be measured, compared or reported on."""
