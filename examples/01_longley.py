"""A linear fit by Newton's method: the loss is plain NumPy, its gradient and Hessian are dualdiff's.

The columns are nearly collinear (a year and five series that grow with it), which is why Longley chose them
to test regression programs in 1967. Centred and scaled columns, and a few steps of Newton's method that work
off the rounding error of the first, recover what NIST certifies.
"""

from pathlib import Path

import numpy as np

import dualdiff as dd

DATA = Path(__file__).parent / "data" / "longley.csv"
CERTIFIED = np.array(
    [
        -3482258.63459582, 15.0618722713733, -0.0358191792925910, -2.02022980381683,
        -1.03322686717359, -0.0511041056535807, 1829.15146461355,
    ]  # B0 to B6, NIST StRD
)  # fmt: skip


def main():
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)
    y, columns = table[:, 0], table[:, 1:]
    middle, spread = columns.mean(axis=0), columns.std(axis=0)
    scaled = (columns - middle) / spread

    def loss(b):
        residual = y - b[0] - np.sum(scaled * b[1:], axis=1)
        return np.sum(residual**2)

    b = np.zeros(7)
    gradients = {mode: dd.grad(loss, mode=mode)(b) for mode in ("forward", "reverse")}
    hessians = {mode: dd.hessian(loss, mode=mode)(b) for mode in ("forward", "reverse")}
    for _ in range(4):
        b = b - np.linalg.solve(hessians["reverse"], dd.grad(loss)(b))

    slopes = b[1:] / spread
    coefficients = np.concatenate([[b[0] - np.sum(slopes * middle)], slopes])
    return {
        "coefficients": coefficients,
        "largest relative error": np.max(np.abs(coefficients / CERTIFIED - 1)),
        "gradients differ by": np.max(np.abs(gradients["forward"] / gradients["reverse"] - 1)),
        "Hessians differ by": np.max(np.abs(hessians["forward"] - hessians["reverse"])),
        "loss": loss(b),
    }


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>22}: {number}")
