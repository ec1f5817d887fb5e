#!/usr/bin/env python3
"""Trains the two wine models of the examples and writes what they must answer.

    python3 examples/models/train.py        # needs numpy, takes seconds

Each is a network of 11-32-32-3 that tells the grade of a wine (0 low, 1 medium, 2 high) from eleven
measurements in the order of FEATURES. The grade follows from the hidden quality of `quality`, the same
formula that the built-in wine generator uses. Inputs are raw: their scaling is folded into the first layer.

    examples/wine/wine.pb           TensorFlow frozen graph, `wine` -> `grades`
    examples/models/wine.onnx       ONNX, trained apart on noisier wines, `wine` -> `grades`
    tests/models/wine_pb.jsonl      records with the outputs that numpy gives for them
    tests/models/wine_onnx.jsonl

Both files are written field by field, so that nothing but numpy is needed.
"""

import json
import pathlib
import struct

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]

FEATURES = {
    "fixed_acidity": (8.32, 1.74),
    "volatile_acidity": (0.53, 0.18),
    "citric_acid": (0.27, 0.19),
    "residual_sugar": (2.54, 1.41),
    "chlorides": (0.087, 0.047),
    "free_sulfur_dioxide": (15.9, 10.5),
    "total_sulfur_dioxide": (46.5, 32.9),
    "density": (0.9967, 0.0019),
    "ph": (3.31, 0.15),
    "sulphates": (0.66, 0.17),
    "alcohol": (10.4, 1.07),
}
NAMES = list(FEATURES)
MEAN = np.array([m for m, _ in FEATURES.values()])
SD = np.array([s for _, s in FEATURES.values()])


def quality(x):
    """The hidden quality, 0 to 10."""
    of = {name: x[:, i] for i, name in enumerate(NAMES)}
    q = (
        5.6
        + 0.9 * (of["alcohol"] - 10.4) / 1.1
        - 0.6 * (of["volatile_acidity"] - 0.53) / 0.18
        + 0.35 * (of["sulphates"] - 0.66) / 0.17
        - 0.2 * (of["total_sulfur_dioxide"] - 46) / 33
        - 0.15 * (of["ph"] - 3.31) / 0.15
        + 0.1 * (of["citric_acid"] - 0.27) / 0.19
    )
    return np.clip(q, 0, 10)


def grade(q):
    return np.where(q < 5, 0, np.where(q < 6.5, 1, 2))


def wines(rng, n):
    x = rng.normal(MEAN, SD, (n, len(NAMES)))
    return np.maximum(x, MEAN * 0.05)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward(layers, x):
    (w1, b1), (w2, b2), (w3, b3) = layers
    h1 = np.maximum(x @ w1 + b1, 0)
    h2 = np.maximum(h1 @ w2 + b2, 0)
    return h1, h2, softmax(h2 @ w3 + b3)


def train(seed, noise, rows=20_000, epochs=30, batch=200, rate=3e-3, decay=2e-5):
    """Adam on the cross entropy; gives the layers as single precision, for raw inputs."""
    rng = np.random.default_rng(seed)
    x = wines(rng, rows)
    y = grade(np.clip(quality(x) + rng.normal(0, noise, rows), 0, 10))
    x = (x - MEAN) / SD
    sizes = [len(NAMES), 32, 32, 3]
    layers = [(rng.normal(0, np.sqrt(2 / a), (a, b)), np.zeros(b)) for a, b in zip(sizes, sizes[1:])]
    flat = [p for layer in layers for p in layer]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in flat]
    step = 0
    for _ in range(epochs):
        order = rng.permutation(rows)
        for start in range(0, rows, batch):
            pick = order[start : start + batch]
            a0 = x[pick]
            h1, h2, p = forward(layers, a0)
            d3 = p.copy()
            d3[np.arange(len(pick)), y[pick]] -= 1
            d3 /= len(pick)
            d2 = (d3 @ layers[2][0].T) * (h2 > 0)
            d1 = (d2 @ layers[1][0].T) * (h1 > 0)
            grads = [a0.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)]
            step += 1
            for param, grad, (m, v) in zip(flat, grads, moments):
                grad = grad + decay * param
                m += 0.1 * (grad - m)
                v += 0.001 * (grad * grad - v)
                param -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    w1, b1 = layers[0]
    folded = [(w1 / SD[:, None], b1 - (MEAN / SD) @ w1)] + layers[1:]
    return [(w.astype(np.float32), b.astype(np.float32)) for w, b in folded]


# Protocol buffers: a message is its fields, one after the other.


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def floats(array):
    return struct.pack(f"<{array.size}f", *array.ravel())


# TensorFlow: GraphDef, NodeDef, AttrValue, TensorProto, TensorShapeProto.

TF_FLOAT = number(6, 1)


def tf_shape(dims):
    return b"".join(data(2, number(1, d)) for d in dims)


def tf_node(name, op, inputs=(), **attributes):
    body = data(1, name) + data(2, op) + b"".join(data(3, i) for i in inputs)
    for key in sorted(attributes):
        body += data(5, data(1, key) + data(2, attributes[key]))
    return data(1, body)


def tf_const(name, array):
    tensor = number(1, 1) + data(2, tf_shape(array.shape)) + data(4, floats(array))
    return tf_node(name, "Const", dtype=TF_FLOAT, value=data(8, tensor))


def frozen_graph(layers):
    graph = tf_node("wine", "Placeholder", dtype=TF_FLOAT, shape=data(7, tf_shape([-1, len(NAMES)])))
    last = "wine"
    for i, (w, b) in enumerate(layers, 1):
        scope = f"layer_{i}"
        graph += tf_const(f"{scope}/kernel", w) + tf_const(f"{scope}/bias", b)
        flags = {"transpose_a": number(5, 0), "transpose_b": number(5, 0)}
        graph += tf_node(f"{scope}/MatMul", "MatMul", [last, f"{scope}/kernel"], T=TF_FLOAT, **flags)
        graph += tf_node(f"{scope}/BiasAdd", "BiasAdd", [f"{scope}/MatMul", f"{scope}/bias"], T=TF_FLOAT)
        last = f"{scope}/BiasAdd"
        if i < len(layers):
            graph += tf_node(f"{scope}/Relu", "Relu", [last], T=TF_FLOAT)
            last = f"{scope}/Relu"
    graph += tf_node("grades", "Softmax", [last], T=TF_FLOAT)
    return graph + data(4, number(1, 27))


# ONNX: ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto, ValueInfoProto.


def onnx_node(op, inputs, output, **attributes):
    body = b"".join(data(1, i) for i in inputs) + data(2, output) + data(3, f"{op}_{output}") + data(4, op)
    for key, value in attributes.items():
        body += data(5, data(1, key) + number(3, value) + number(20, 2))
    return data(1, body)


def onnx_tensor(name, array):
    dims = b"".join(number(1, d) for d in array.shape)
    return data(5, dims + number(2, 1) + data(8, name) + data(9, floats(array)))


def onnx_value(field, name, width):
    shape = data(1, data(2, "N")) + data(1, number(1, width))
    return data(field, data(1, name) + data(2, data(1, number(1, 1) + data(2, shape))))


def onnx_model(layers):
    nodes, tensors, last = b"", b"", "wine"
    for i, (w, b) in enumerate(layers, 1):
        tensors += onnx_tensor(f"kernel_{i}", w) + onnx_tensor(f"bias_{i}", b)
        nodes += onnx_node("Gemm", [last, f"kernel_{i}", f"bias_{i}"], f"sum_{i}")
        last = f"sum_{i}"
        if i < len(layers):
            nodes += onnx_node("Relu", [last], f"hidden_{i}")
            last = f"hidden_{i}"
    nodes += onnx_node("Softmax", [last], "grades", axis=1)
    graph = nodes + data(2, "wine") + tensors + onnx_value(11, "wine", len(NAMES)) + onnx_value(12, "grades", 3)
    opset = data(1, "") + number(2, 13)
    return number(1, 7) + data(2, "fastdata examples") + data(7, graph) + data(8, opset)


def golden(path, layers, seed, rows=120):
    """Records with what numpy gives for them, in double precision."""
    x = np.round(wines(np.random.default_rng(seed), rows), 4)
    exact = [(w.astype(np.float64), b.astype(np.float64)) for w, b in layers]
    p = forward(exact, x)[2]
    lines = [
        json.dumps({"input": dict(zip(NAMES, map(float, a))), "output": {"grades": [float(f"{v:.9g}") for v in b]}})
        for a, b in zip(x, p)
    ]
    path.write_text("\n".join(lines) + "\n")


def main():
    for seed, noise, encode, model, rows in [
        (11, 0.0, frozen_graph, "examples/wine/wine.pb", "tests/models/wine_pb.jsonl"),
        (12, 0.6, onnx_model, "examples/models/wine.onnx", "tests/models/wine_onnx.jsonl"),
    ]:
        layers = train(seed, noise)
        x = wines(np.random.default_rng(99), 20_000)
        hit = np.mean(np.argmax(forward(layers, x)[2], axis=1) == grade(quality(x)))
        content = encode(layers)
        (ROOT / model).write_bytes(content)
        golden(ROOT / rows, layers, seed + 100)
        print(f"{model}: {len(content)} bytes, right about {hit:.1%} of 20,000 unseen wines")


if __name__ == "__main__":
    main()
