"""A network 784-256-128-10 on a batch of 128, parameters in a list of pairs: large products, containers."""

import itertools

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case


def loss(np, parameters, images, labels):
    """Mean cross-entropy of a network with tanh layers; `labels` is one-hot."""
    h = images
    for w, b in parameters[:-1]:
        h = np.tanh(h @ w + b)
    w, b = parameters[-1]
    z = h @ w + b
    z = z - np.amax(z, axis=1, keepdims=True)
    log_p = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.mean(np.sum(labels * log_p, axis=1))


def by_hand(parameters, images, labels):
    hs = [images]
    for w, b in parameters[:-1]:
        hs.append(np.tanh(hs[-1] @ w + b))
    w, b = parameters[-1]
    z = hs[-1] @ w + b
    z -= np.amax(z, axis=1, keepdims=True)
    e = np.exp(z)
    total = np.sum(e, axis=1, keepdims=True)
    value = -np.sum(labels * (z - np.log(total))) / len(images)
    z_bar = (e / total - labels) / len(images)
    bars = []
    for k in reversed(range(len(parameters))):
        bars.append((hs[k].T @ z_bar, np.sum(z_bar, axis=0)))
        if k:
            z_bar = (z_bar @ parameters[k][0].T) * (1 - hs[k] * hs[k])
    return value, bars[::-1]


def cases(tiny=False):
    sizes, batch = ((4, 3, 2), 5) if tiny else ((784, 256, 128, 10), 128)
    rng = np.random.default_rng(0)
    parameters = [
        (rng.normal(size=(m, n)) / np.sqrt(m), 0.1 * rng.normal(size=n)) for m, n in itertools.pairwise(sizes)
    ]
    images = rng.normal(size=(batch, sizes[0]))
    labels = np.eye(sizes[-1])[rng.integers(sizes[-1], size=batch)]

    layers = "-".join(map(str, sizes))
    case = Case("mlp", f"network {layers}, batch {batch}, value and gradient", targets={"by hand": 1.1})
    case.add("function", lambda: lambda: loss(np, parameters, images, labels))
    case.add("by hand", lambda: lambda: by_hand(parameters, images, labels))
    add_libraries(case, "gradient", loss, parameters, images, labels)
    yield case
