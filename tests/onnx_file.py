"""Small ONNX files written by hand: the protobuf wire format needs no library.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from pathlib import Path

import numpy as np

FLOAT, INT64, HALF = 1, 7, 10  # TensorProto.DataType
_TYPES = {np.dtype("float32"): FLOAT, np.dtype("int64"): INT64, np.dtype("float16"): HALF}


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number, value):
    """One field: an int as varint, bytes, text or a message as length-delimited, a list as repeated fields."""
    if isinstance(value, list):
        return b"".join(field(number, one) for one in value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name, array):
    return field(1, list(array.shape)) + field(2, _TYPES[array.dtype]) + field(8, name) + field(9, array.tobytes())


def attribute(name, value):
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    if isinstance(value, list):
        return field(1, name) + field(8, value) + field(20, 7)
    return field(1, name) + field(3, value) + field(20, 2)


def node(kind, inputs, output, **attributes):
    told = [attribute(key, value) for key, value in attributes.items()]
    return field(1, inputs) + field(2, [output]) + field(4, kind) + field(5, told)


def value_info(name, shape, kind):
    dims = [field(1, side) if isinstance(side, int) else field(2, side) for side in shape]
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, field(1, dims))))


def write_onnx(path: Path, nodes, weights, *, shape=("n", 3, "h", "w"), kind=FLOAT):
    """A graph from input `x` to output `y`. `weights`: name → array."""
    graph = field(1, nodes) + field(2, "net") + field(5, [tensor(name, array) for name, array in weights.items()])
    graph += field(11, [value_info("x", shape, kind)]) + field(12, [value_info("y", ("n", "c", "h2", "w2"), kind)])
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17)))
    return path


def enlarging(path, *, scale=2, convs=2, seed=0, **how):
    """A chain of `convs` 3×3 convolutions and a depth-to-space: radius `convs`. Returns the file and its weights."""
    rng = np.random.default_rng(seed)
    dtype = np.float16 if how.get("kind") == HALF else np.float32
    widths = [3] + [8] * (convs - 1) + [3 * scale * scale]
    weights = {
        f"w{i}": (rng.random((widths[i + 1], widths[i], 3, 3)) / 9 / widths[i]).astype(dtype) for i in range(convs)
    }
    names = ["x", *(f"t{i}" for i in range(convs))]
    nodes = [node("Conv", [names[i], f"w{i}"], names[i + 1], pads=[1, 1, 1, 1]) for i in range(convs)]
    nodes.append(node("DepthToSpace", [names[-1]], "y", blocksize=scale, mode="CRD"))
    return write_onnx(path, nodes, weights, **how), weights
