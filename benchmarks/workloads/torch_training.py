"""Training as PyTorch's users write it, with backward() and steps in place: dualdiff.torch beside PyTorch."""

import numpy as np

import dualdiff.torch
from benchmarks.harness import BY_HAND, SUBJECT, Case

RATE = 0.001


def step(torch, parameters, images, labels):
    """One step of gradient descent on a network with a tanh layer; the loss and the gradients."""
    w1, b1, w2, b2 = parameters
    z = torch.tanh(images @ w1 + b1) @ w2 + b2
    loss = -(labels * torch.log_softmax(z, 1)).sum() / len(images)
    loss.backward()
    gradients = []
    with torch.no_grad():
        for p in parameters:
            p -= RATE * p.grad
            gradients.append(p.grad)
            p.grad = None
    return loss.detach(), gradients


def by_hand(parameters, images, labels):
    w1, b1, w2, b2 = parameters
    h = np.tanh(images @ w1 + b1)
    z = h @ w2 + b2
    z -= np.max(z, axis=1, keepdims=True)
    e = np.exp(z)
    total = np.sum(e, axis=1, keepdims=True)
    loss = -np.sum(labels * (z - np.log(total))) / len(images)
    z_bar = (e / total - labels) / len(images)
    h_bar = (z_bar @ w2.T) * (1 - h * h)
    gradients = [images.T @ h_bar, np.sum(h_bar, axis=0), h.T @ z_bar, np.sum(z_bar, axis=0)]
    for p, gradient in zip(parameters, gradients, strict=True):
        p -= RATE * gradient
    return loss, gradients


def training(library, parameters, images, labels):
    """The step on tensors of a library, each candidate with parameters of its own."""

    def prepare():
        torch = library()
        leaves = [torch.tensor(p, requires_grad=True) for p in parameters]
        data = torch.tensor(images), torch.tensor(labels)
        return lambda: step(torch, leaves, *data)

    return prepare


def training_by_hand(parameters, images, labels):
    own = [p.copy() for p in parameters]
    return lambda: by_hand(own, images, labels)


def doubled(torch, a):
    """The loop and branch of the lesson: doubling until the norm is 1000."""
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    c = b if b.sum() > 0 else 100 * b
    c.backward()
    gradient, a.grad = a.grad, None
    return c.detach(), gradient


def doubled_by_hand(a):
    b, factor = a * 2, 2.0
    while abs(b) < 1000:
        b, factor = b * 2, factor * 2
    return (b, factor) if b > 0 else (100 * b, 100 * factor)


def on_a_number(library, a):
    def prepare():
        torch = library()
        leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
        return lambda: doubled(torch, leaf)

    return prepare


def pytorch():
    import torch

    torch.set_num_threads(1)
    return torch


def cases(tiny=False):
    batch, inputs, hidden, outputs = (5, 4, 3, 2) if tiny else (64, 64, 64, 10)
    rng = np.random.default_rng(0)
    parameters = [
        rng.normal(size=(inputs, hidden)) / np.sqrt(inputs),
        0.1 * rng.normal(size=hidden),
        rng.normal(size=(hidden, outputs)) / np.sqrt(hidden),
        0.1 * rng.normal(size=outputs),
    ]
    images = rng.normal(size=(batch, inputs))
    labels = np.eye(outputs)[rng.integers(outputs, size=batch)]
    layers = f"{inputs}-{hidden}-{outputs}"
    case = Case("torch-training", f"step of a network {layers}, batch {batch}", targets={"torch eager": 0.8})
    case.add(BY_HAND, lambda: training_by_hand(parameters, images, labels))
    case.add(SUBJECT, training(lambda: dualdiff.torch, parameters, images, labels))
    case.add("torch eager", training(pytorch, parameters, images, labels))
    yield case

    a = -37.0 if tiny else -0.37
    case = Case("torch-branches", "doubling one number until the norm is 1000, backward()")
    case.add(BY_HAND, lambda: lambda: doubled_by_hand(a))
    case.add(SUBJECT, on_a_number(lambda: dualdiff.torch, a))
    case.add("torch eager", on_a_number(pytorch, a))
    yield case
