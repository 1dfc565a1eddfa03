"""A nonlinear fit by the Gauss-Newton method: the residuals are plain NumPy, their Jacobian is dualdiff's.

y = b1 (1 - exp(-b2 x)) has two parameters and fourteen residuals: many outputs and few inputs, where forward
mode needs the fewest sweeps. Both modes take the same steps, from the harder of the two starts that NIST
gives, to the certified parameters.
"""

from pathlib import Path

import numpy as np

import dualdiff as dd

DATA = Path(__file__).parent / "data" / "misra1a.csv"
CERTIFIED = np.array([2.3894212918e02, 5.5015643181e-04])  # NIST StRD, to 11 digits
START = np.array([500.0, 0.0001])


def main():
    y, x = np.loadtxt(DATA, delimiter=",", skiprows=1, unpack=True)

    def residuals(b):
        return y - b[0] * (1 - np.exp(-b[1] * x))

    fits, steps = {}, {}
    for mode in ("forward", "reverse"):
        b, step, taken = START, START, 0
        derivative = dd.value_and_jacobian(residuals, mode=mode)
        while np.max(np.abs(step / b)) > 1e-12 and taken < 50:
            r, jacobian = derivative(b)
            step = -np.linalg.lstsq(jacobian, r)[0]
            b, taken = b + step, taken + 1
        fits[mode], steps[mode] = b, taken
    return {
        "parameters": fits["forward"],
        "largest relative error": np.max(np.abs(fits["forward"] / CERTIFIED - 1)),
        "modes differ by": np.max(np.abs(fits["forward"] / fits["reverse"] - 1)),
        "steps": steps["forward"],
        "sum of squares": np.sum(residuals(fits["forward"]) ** 2),
    }


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>22}: {number}")
