"""A tiny Piper voice made on the spot: an ONNX graph of the right shape, written in protobuf's own bytes.

Each phoneme becomes a burst of a tone; `length_scale` stretches it, as in a real voice.
"""

import json
import struct

import numpy as np

RATE = 16000
_FLOAT, _INT64 = 1, 7
_BURST = 64  # samples of the shortest piece; a phoneme has 16 of them at length_scale 1


def _varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number, value):
    """One protobuf field: an int, a float, or bytes (text, or a message made by `_message`)."""
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _message(*pairs):
    return b"".join(_field(number, value) for number, value in pairs)


def _value(name, kind, dims):
    shape = _message(*[(1, _message((2, d) if isinstance(d, str) else (1, d))) for d in dims])
    return _message((1, name), (2, _message((1, _message((1, kind), (2, shape))))))


def _constant(name, array):
    kind = _FLOAT if array.dtype == np.float32 else _INT64
    return _message(*[(1, d) for d in array.shape], (2, kind), (8, name), (9, array.tobytes()))


def _node(operation, inputs, output, **attributes):
    made = [(5, _message((1, name), (3, value), (20, 2))) for name, value in attributes.items()]
    return _message(*[(1, i) for i in inputs], (2, output), (4, operation), *made)


def _graph():
    burst = np.sin(2 * np.pi * 4 * np.arange(_BURST) / _BURST).astype(np.float32)
    constants = {
        "burst": (burst / 80).reshape(1, 1, 1, _BURST),
        "one": np.array([1], np.int64),
        "pieces": np.array([16], np.float32),
        "before": np.array([1, 1], np.int64),
        "after": np.array([_BURST], np.int64),
        "column": np.array([1, -1, 1, 1], np.int64),
        "flat": np.array([1, 1, 1, -1], np.int64),
    }
    nodes = [
        _node("Cast", ["input"], "ids", to=_FLOAT),
        _node("Reshape", ["ids", "column"], "by_id"),
        _node("Mul", ["by_id", "burst"], "bursts"),
        _node("Gather", ["scales", "one"], "length"),
        _node("Mul", ["length", "pieces"], "count"),
        _node("Cast", ["count"], "whole", to=_INT64),
        _node("Concat", ["before", "whole", "after"], "shape", axis=0),
        _node("Expand", ["bursts", "shape"], "stretched"),
        _node("Reshape", ["stretched", "flat"], "output"),
    ]
    inputs = [
        _value("input", _INT64, ["batch", "phonemes"]),
        _value("input_lengths", _INT64, ["batch"]),
        _value("scales", _FLOAT, [3]),
    ]
    return _message(
        *[(1, node) for node in nodes],
        (2, "tiny"),
        *[(5, _constant(name, array)) for name, array in constants.items()],
        *[(11, value) for value in inputs],
        (12, _value("output", _FLOAT, ["batch", 1, 1, "time"])),
    )


def write_voice(path):
    """Write `path` and its .json; phonemes are the letters themselves, so no other data is needed."""
    letters = "_^$ abcdefghijklmnopqrstuvwxyz.,!?"
    path.write_bytes(_message((1, 8), (2, "tests"), (7, _graph()), (8, _message((1, ""), (2, 13)))))
    config = {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "text",
        "num_symbols": len(letters),
        "num_speakers": 1,
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_id_map": {letter: [number] for number, letter in enumerate(letters)},
    }
    path.with_name(path.name + ".json").write_text(json.dumps(config), encoding="utf-8")
    return path
