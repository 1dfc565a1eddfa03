"""The classic lesson on automatic differentiation in PyTorch, after changing its import line.

Leaves that require a gradient, backward(), the gradient of a vector, detaching a part of the computation, and
a function whose path depends on its input. 03_autograd_lesson.ipynb is the same as a notebook.
"""

import dualdiff.torch as torch


def doubled(a):
    """Doubled until its norm is 1000: piecewise linear in a, with a slope that only running it tells."""
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    if b.sum() > 0:
        c = b
    else:
        c = 100 * b
    return c


def main():
    found = {}
    x = torch.arange(4.0)
    x.requires_grad_(True)
    y = 2 * torch.dot(x, x)
    y.backward()
    found["value of 2 x.x"] = y
    found["its gradient"] = x.grad.clone()

    x.grad.zero_()
    y = x * x
    y.sum().backward()
    found["gradient of the sum of squares"] = x.grad.clone()

    x.grad.zero_()
    y = x * x
    u = y.detach()
    (u * x).sum().backward()
    found["gradient with u held fixed is u"] = (x.grad == u).all()

    torch.manual_seed(0)
    a = torch.randn(size=(), requires_grad=True)
    d = doubled(a)
    d.backward()
    found["slope of the loop is d / a"] = a.grad == d / a
    return found


if __name__ == "__main__":
    for name, tensor in main().items():
        print(f"{name:>32}: {tensor}")
