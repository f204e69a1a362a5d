"""Conv and ConvTranspose."""

from __future__ import annotations

from dataclasses import dataclass

from quantize.export.tflite.layout import Order, stored_shape
from quantize.export.tflite.operators.padding import padded
from quantize.export.tflite.step import Step

NATURAL: Order = (0, 2, 3, 1)
_DEPTHWISE: Order = (1, 2, 3, 0)  # of weights: their outputs last
SAME, VALID = 0, 1


@dataclass(frozen=True, slots=True)
class Window:
    """How a kernel moves over one spatial axis."""

    size: int
    result: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def taps(self) -> int:
        """How far the kernel reaches."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def same(self) -> bool:
        """Whether TFLite's SAME pads as this does."""
        total = max((self.result - 1) * self.stride + self.taps - self.size, 0)
        fits = self.result == -(-self.size // self.stride)
        # What lies behind the last step of the kernel is never read.
        return fits and self.before == total // 2 and self.after >= total - total // 2

    @property
    def valid(self) -> bool:
        """Whether TFLite's VALID, without any padding, makes as much."""
        fits = self.result == (self.size - self.taps) // self.stride + 1
        return fits and self.before == 0 and self.size >= self.taps

    @property
    def needed(self) -> tuple[int, int]:
        """What to pad for VALID; the part that is never read is left out, as negative pads."""
        reach = (self.result - 1) * self.stride + self.taps
        return self.before, reach - self.size - self.before


def windows(step: Step, kernel: tuple[int, ...], *, transposed: bool = False) -> list[Window]:
    """Return how a Conv or a pool moves over rows and columns.

    Raises:
        TFLiteError: it does not have two spatial axes, or nobody knows what it makes.
    """
    sizes, results = step.shape(0)[2:], step.result[2:]
    if len(sizes) != 2:
        raise step.refusal(f"it has {len(sizes)} spatial axes; only 2 can be written")
    if len(results) != 2:
        raise step.refusal("the size of its output does not follow from the model")
    if transposed:
        sizes, results = results, sizes
    given = step.attributes
    strides = given.get("strides", (1, 1))
    dilations = given.get("dilations", (1, 1))
    auto = given.get("auto_pad", b"NOTSET")
    pads = given.get("pads", (0, 0, 0, 0)) if auto in (b"NOTSET", b"") else (0, 0, 0, 0)
    extra = given.get("output_padding", (0, 0)) if transposed else (0, 0)
    same = auto in (b"SAME_UPPER", b"SAME_LOWER")
    stated = transposed and "output_shape" in given
    by_size = same or stated
    if same and not stated and any(extra):
        raise step.refusal("runtimes differ in what auto_pad makes of output_padding: state pads")
    found = []
    for axis in (0, 1):
        before, after = pads[axis], pads[axis + 2]
        if by_size:  # what pads say counts for nothing then
            reach = (kernel[axis] - 1) * dilations[axis] + 1
            made = (results[axis] - 1) * strides[axis] + reach + extra[axis]
            total = max(made - sizes[axis], 0)
            before = total // 2 if auto == b"SAME_UPPER" else total - total // 2
            after = total - before
        beyond = (results[axis] - 1) * strides[axis] >= sizes[axis] + before
        if beyond and given.get("ceil_mode", 0):
            # ONNX's shape inference counts this window, and its runtimes do not.
            raise step.refusal(
                "its last window sees nothing but padding: export it without ceil_mode"
            )
        found.append(
            Window(
                sizes[axis], results[axis], kernel[axis], strides[axis], dilations[axis],
                before, after,
            )
        )  # fmt: skip
    return found


def fitted(step: Step, tensor: int, axes: list[Window], filler: float = 0.0) -> tuple[int, int]:
    """Return a picture and the padding with which TFLite moves over it as ONNX does.

    Args:
        step: the node.
        tensor: the picture, stored as NHWC.
        axes: how the kernel moves.
        filler: what is padded.
    """
    if all(axis.valid for axis in axes):
        return tensor, VALID
    if all(axis.same for axis in axes):
        return tensor, SAME
    (top, bottom), (left, right) = (axis.needed for axis in axes)
    pads = ((0, 0), (top, bottom), (left, right), (0, 0))
    return padded(step, tensor, pads, filler), VALID


def conv(step: Step) -> None:
    """Write a Conv as CONV_2D, or as DEPTHWISE_CONV_2D where every channel is by itself."""
    weights, channels = step.shape(1), step.shape(0)[1]
    axes = windows(step, weights[2:])
    rows, columns = axes
    group = int(step.attributes.get("group", 1))
    picture, padding = fitted(step, step.operand(0, NATURAL), axes)
    options = {
        "padding": padding,
        "strideH": rows.stride,
        "strideW": columns.stride,
        "dilationHFactor": rows.dilation,
        "dilationWFactor": columns.dilation,
    }
    kind, order = "CONV_2D", NATURAL
    if group == channels and group > 1:
        kind, order = "DEPTHWISE_CONV_2D", _DEPTHWISE
        options["depthMultiplier"] = weights[0] // channels
    kernel = step.weight(1, order)
    bias = step.bias(2, weights[0], picture, kernel)
    step.give(kind, [picture, kernel, bias], NATURAL, **options)


def conv_transpose(step: Step) -> None:
    """Write a ConvTranspose as TRANSPOSE_CONV, and cut off what that makes too much."""
    weights = step.shape(1)
    if int(step.attributes.get("group", 1)) != 1 or any(
        dilation != 1 for dilation in step.attributes.get("dilations", ())
    ):
        raise step.refusal(
            "groups and dilations are not in TRANSPOSE_CONV (run the convtranspose pass first)"
        )
    axes = windows(step, weights[2:], transposed=True)
    rows, columns = axes
    order: Order = (1, 2, 3, 0)
    picture, kernel = step.operand(0, NATURAL), step.weight(1, order)
    bias = step.bias(2, weights[1], picture, kernel)
    options = {"strideH": rows.stride, "strideW": columns.stride}
    result = stored_shape(step.result, NATURAL)
    exact = [axis.before == 0 and axis.after == 0 and _full(axis) == axis.size for axis in axes]
    for padding, fits in ((VALID, exact), (SAME, [_same_back(axis) for axis in axes])):
        if all(fits):
            size = step.low.numbers(result, "size")
            inputs = [size, kernel, picture, bias]
            step.give("TRANSPOSE_CONV", inputs, NATURAL, data=2, padding=padding, **options)
            return
    whole = (result[0], _full(rows), _full(columns), result[3])
    if any(axis.before + axis.size > _full(axis) for axis in axes):
        raise step.refusal("it pads its output (run the convtranspose pass first)")
    size = step.low.numbers(whole, "size")
    made = step.emit(
        "TRANSPOSE_CONV", [size, kernel, picture, bias], whole, data=2, padding=VALID, **options
    )
    begin = step.low.numbers((0, rows.before, columns.before, 0), "begin")
    step.give("SLICE", [made, begin, step.low.numbers(result, "size")], NATURAL)


def _full(axis: Window) -> int:
    """Return how much a ConvTranspose makes before anything is cut off."""
    return (axis.result - 1) * axis.stride + axis.taps


def _same_back(axis: Window) -> bool:
    """Return whether TFLite's SAME cuts off what this ConvTranspose cuts off."""
    cut = _full(axis) - axis.size
    fits = axis.result == -(-axis.size // axis.stride)
    return fits and cut >= 0 and axis.before == cut // 2


HANDLERS = {"Conv": conv, "ConvTranspose": conv_transpose}
