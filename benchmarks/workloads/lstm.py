"""An LSTM with diagonal weights, 2 layers, 100 steps of 14 bits: many ops on very short arrays.

The model is ADBench's (Srajer, Kukelova and Fitzgibbon 2018, A benchmark of selected algorithmic
differentiation tools on some problems in computer vision and machine learning), with its 2 + within the
logarithm.
"""

import itertools

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case


def sigmoid(np, x):
    return 1 / (1 + np.exp(-x))


def loss(np, parameters, state, bits):
    """Mean cross-entropy of each row in the list `bits` given those before.

    `main` has the weights of layer i in row 2 i and its biases in row 2 i + 1; `state` its hidden numbers and
    its cell likewise; `extra` is a scale of the inputs and a scale and a shift of the outputs.
    """
    main, extra = parameters
    n = extra.shape[1]
    layers = range(0, len(state), 2)
    hs, cells = [state[k] for k in layers], [state[k + 1] for k in layers]
    weights, biases = [main[k] for k in layers], [main[k + 1] for k in layers]
    before, scale, shift = extra[0], extra[1], extra[2]
    total = 0.0
    for x, target in itertools.pairwise(bits):
        x = x * before
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            gates = np.concatenate((x, hs[i], x, hs[i])) * w + b
            forget, enter, leave = (sigmoid(np, gates[k * n : (k + 1) * n]) for k in range(3))
            cells[i] = cells[i] * forget + enter * np.tanh(gates[3 * n :])
            x = hs[i] = leave * np.tanh(cells[i])
        y = x * scale + shift
        total = total + np.sum(target * (y - np.log(2 + np.sum(np.exp(y)))))
    return -total / ((len(bits) - 1) * n)


def by_hand(parameters, state, bits):
    """Backpropagation through time; the gates of a layer stay in one array of 4 n."""
    main, extra = parameters
    n, layers = extra.shape[1], len(state) // 2
    hs, cells = list(state[0::2]), list(state[1::2])
    kept, total = [], 0.0
    for row, target in itertools.pairwise(bits):
        x, passes = row * extra[0], []
        for i in range(layers):
            entered = np.concatenate((x, hs[i], x, hs[i]))
            gates = entered * main[2 * i] + main[2 * i + 1]
            s, a = 1 / (1 + np.exp(-gates[: 3 * n])), np.tanh(gates[3 * n :])
            cell = cells[i] * s[:n] + s[n : 2 * n] * a
            t = np.tanh(cell)
            passes.append((entered, s, a, cells[i], t))
            cells[i], x = cell, s[2 * n :] * t
            hs[i] = x
        y = x * extra[1] + extra[2]
        e = np.exp(y)
        normal = 2 + np.sum(e)
        total += np.sum(target * (y - np.log(normal)))
        kept.append((row, target, passes, x, e / normal))
    return -total / ((len(bits) - 1) * n), sweep(main, extra, kept, -1 / ((len(bits) - 1) * n))


def sweep(main, extra, kept, total_bar):
    """The gradient in `main` and `extra` from what every step kept."""
    n, layers = extra.shape[1], len(main) // 2
    main_bar, extra_bar = np.zeros_like(main), np.zeros_like(extra)
    h_bars, cell_bars = np.zeros((layers, n)), np.zeros((layers, n))
    for row, target, passes, last, p in reversed(kept):
        y_bar = total_bar * (target - np.sum(target) * p)
        extra_bar[1] += y_bar * last
        extra_bar[2] += y_bar
        x_bar = y_bar * extra[1]
        for i in reversed(range(layers)):
            entered, s, a, cell, t = passes[i]
            forget, enter, leave = s[:n], s[n : 2 * n], s[2 * n :]
            h_bar = h_bars[i] + x_bar
            c_bar = cell_bars[i] + h_bar * leave * (1 - t * t)
            cell_bars[i] = c_bar * forget
            s_bar = np.concatenate((c_bar * cell, c_bar * a, h_bar * t))
            gates_bar = np.concatenate((s_bar * s * (1 - s), c_bar * enter * (1 - a * a)))
            main_bar[2 * i] += gates_bar * entered
            main_bar[2 * i + 1] += gates_bar
            entered_bar = (gates_bar * main[2 * i]).reshape(4, n)
            x_bar = entered_bar[0] + entered_bar[2]
            h_bars[i] = entered_bar[1] + entered_bar[3]
        extra_bar[0] += x_bar * row
    return main_bar, extra_bar


def cases(tiny=False):
    layers, rows, n = (2, 4, 3) if tiny else (2, 101, 14)
    rng = np.random.default_rng(0)
    parameters = rng.uniform(size=(2 * layers, 4 * n)), rng.uniform(size=(3, n))
    state = rng.uniform(size=(2 * layers, n))
    bits = list(rng.integers(2, size=(rows, n)).astype(float))

    case = Case("lstm", f"{layers} layers, {rows - 1} steps of {n} bits, value and gradient")
    case.add("function", lambda: lambda: loss(np, parameters, state, bits))
    case.add("by hand", lambda: lambda: by_hand(parameters, state, bits))
    unrolled = {"jax.jit": "it compiles the loop unrolled, for many minutes"}
    add_libraries(case, "gradient", loss, parameters, state, bits, without=unrolled)
    yield case
