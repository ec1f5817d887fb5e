#!/usr/bin/env python3
"""Writes the ONNX models of the `score` cases: `y = x * W + B`, small enough to be worked out by hand.

    python3 tests/naive/tiny_onnx.py

Field by field after onnx.proto, so that nothing has to be installed.
"""

import pathlib
import struct

CASES = pathlib.Path(__file__).resolve().parents[1] / "cases"


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def blob(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name, shape, values):
    dims = b"".join(number(1, d) for d in shape)
    return dims + number(2, 1) + blob(8, name) + blob(9, struct.pack(f"<{len(values)}f", *values))


def value(name, columns):
    dims = blob(1, blob(2, "rows")) + blob(1, number(1, columns))
    return blob(1, name) + blob(2, blob(1, number(1, 1) + blob(2, dims)))


def node(op, inputs, output):
    return b"".join(blob(1, i) for i in inputs) + blob(2, output) + blob(3, op) + blob(4, op)


def model(rows, bias):
    inputs, outputs = len(rows), len(bias)
    flat = [v for row in rows for v in row]
    graph = blob(1, node("MatMul", ["x", "W"], "xW")) + blob(1, node("Add", ["xW", "B"], "y"))
    graph += blob(2, "linear") + blob(5, tensor("W", [inputs, outputs], flat)) + blob(5, tensor("B", [outputs], bias))
    graph += blob(11, value("x", inputs)) + blob(12, value("y", outputs))
    return number(1, 8) + blob(7, graph) + blob(8, number(2, 13))


def write(path, rows, bias):
    path = CASES / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model(rows, bias))


# The largest of a, b and 3; the version before it always says the third.
write("score/models/1-largest.onnx", [[0, 0, 0], [0, 0, 0]], [0, 0, 9])
write("score/models/2-largest.onnx", [[1, 0, 0], [0, 1, 0]], [0, 0, 3])
# One number: 2a - b + 0.5 and a + 10b.
write("score_by/models/1-red.onnx", [[2], [-1]], [0.5])
write("score_by/models/2-white.onnx", [[1], [10]], [0])
