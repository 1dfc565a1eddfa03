"""A small LSTM learns to repeat what it read three steps ago: a loop of many small ops, parameters in a dict.

Reverse mode gives the gradient of all parameters from one sweep; forward mode checks it along one direction.
"""

import numpy as np

import dualdiff as dd

HIDDEN, STEPS, DELAY = 12, 40, 3
rng = np.random.default_rng(0)
BITS = rng.integers(0, 2, size=STEPS + 1).astype(float)
START = {
    "gates": rng.normal(size=(1 + HIDDEN, 4 * HIDDEN)) / np.sqrt(HIDDEN),
    "bias": np.repeat([1.0, 0.0, 0.0, 0.0], HIDDEN),
    "out": rng.normal(size=HIDDEN) / np.sqrt(HIDDEN),
}


def logits(p):
    """What the network says after each step."""
    h, cell, said = np.zeros(HIDDEN), np.zeros(HIDDEN), []
    for bit in BITS[:STEPS]:
        z = np.concatenate([[2 * bit - 1], h]) @ p["gates"] + p["bias"]
        forget, enter, leave = (1 / (1 + np.exp(-part)) for part in np.split(z[: 3 * HIDDEN], 3))
        cell = forget * cell + enter * np.tanh(z[3 * HIDDEN :])
        h = leave * np.tanh(cell)
        said.append(h @ p["out"])
    return np.stack(said)[DELAY:]


def loss(p):
    """The mean cross-entropy of the bits three steps ago."""
    said = logits(p)
    return np.mean(np.logaddexp(0, said) - BITS[: STEPS - DELAY] * said)


def train(p, steps=150, rate=0.05):
    """Adam (Kingma and Ba 2015)."""
    m, v = ({k: np.zeros_like(x) for k, x in p.items()} for _ in range(2))
    for t in range(1, steps + 1):
        g = dd.grad(loss)(p)
        m = {k: 0.9 * m[k] + 0.1 * g[k] for k in p}
        v = {k: 0.999 * v[k] + 0.001 * g[k] ** 2 for k in p}
        p = {k: p[k] - rate * m[k] / (1 - 0.9**t) / (np.sqrt(v[k] / (1 - 0.999**t)) + 1e-8) for k in p}
    return p


def main():
    direction = {k: rng.normal(size=x.shape) for k, x in START.items()}
    along, slope = dd.jvp(loss, (START,), (direction,))[1], dd.grad(loss)(START)
    p = train(START)
    right = np.mean((logits(p) > 0) == BITS[: STEPS - DELAY])
    gap = abs(along - sum(np.sum(slope[k] * direction[k]) for k in slope))
    return {"loss at first": loss(START), "loss": loss(p), "bits right": right, "modes differ by": gap}


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>15}: {number}")
