"""Bessel functions of every kind, by their argument; the order is a constant.

Source      NIST DLMF 10.6.1 and 10.29.1: derivatives as differences and sums of neighbouring orders
"""

from __future__ import annotations

import numpy as np
from scipy import special

from dualdiff.declare import numpy_function, op
from dualdiff.domains import positive, reals
from dualdiff.special.rows import orders, row, unknown


# -------------------------------------------------- any order: half the difference of neighbours, or the sum
def apart(f, turn=0):
    """(f_(v-1) - f_(v+1)) / 2, and `turn` times the function where it is scaled."""
    if not turn:
        return lambda _y, v, x: (f(v - 1, x) - f(v + 1, x)) * 0.5
    return lambda y, v, x: (f(v - 1, x) - f(v + 1, x)) * 0.5 + turn * y


def together(f, sign):
    """(f_(v-1) + f_(v+1)) / 2, with a sign."""
    return lambda _y, v, x: (f(v - 1, x) + f(v + 1, x)) * (0.5 * sign)


def of_order(f, slope, complex=True):
    return row(f, unknown(f, "v"), slope, on=(orders, positive), complex="to rounding" if complex else False)


jv, yv, hankel1, hankel2 = (
    of_order(f, apart(f)) for f in (special.jv, special.yv, special.hankel1, special.hankel2)
)
iv = of_order(special.iv, together(special.iv, 1))
kv = of_order(special.kv, together(special.kv, -1))
yn = of_order(special.yn, lambda _y, n, x: (yv(n - 1, x) - yv(n + 1, x)) * 0.5, complex=False)
kn = of_order(special.kn, lambda _y, n, x: (kv(n - 1, x) + kv(n + 1, x)) * -0.5, complex=False)

# -------------------------------------------------- orders 0 and 1
j1 = row(special.j1, lambda _y, x: (special.j0(x) - jv(2, x)) * 0.5)
j0 = row(special.j0, lambda _y, x: -j1(x))
y1 = row(special.y1, lambda _y, x: (special.y0(x) - yv(2, x)) * 0.5, on=positive)
y0 = row(special.y0, lambda _y, x: -y1(x), on=positive)
i1 = row(special.i1, lambda _y, x: (special.i0(x) + iv(2, x)) * 0.5)
i0 = row(special.i0, lambda _y, x: i1(x))
k1 = row(special.k1, lambda _y, x: (special.k0(x) + kv(2, x)) * -0.5, on=positive)
k0 = row(special.k0, lambda _y, x: -k1(x), on=positive)

# -------------------------------------------------- scaled, of real arguments
# i is scaled by exp(-abs(x)), k by exp(x), the Hankel functions by exp(-i x) and exp(i x); j and y are not.
ive = of_order(
    special.ive,
    lambda y, v, x: (ive(v - 1, x) + ive(v + 1, x)) * 0.5 - np.sign(x) * y,
    complex=False,
)
kve = of_order(special.kve, lambda y, v, x: (kve(v - 1, x) + kve(v + 1, x)) * -0.5 + y)
jve, yve = (of_order(f, apart(f), complex=False) for f in (special.jve, special.yve))
hankel1e = of_order(special.hankel1e, apart(special.hankel1e, -1j))
hankel2e = of_order(special.hankel2e, apart(special.hankel2e, 1j))
i1e = row(special.i1e, lambda y, x: (special.i0e(x) + ive(2, x)) * 0.5 - np.sign(x) * y)
i0e = row(special.i0e, lambda y, x: i1e(x) - np.sign(x) * y, kink="0 at 0.")
k1e = row(special.k1e, lambda y, x: (special.k0e(x) + kve(2, x)) * -0.5 + y, on=positive)
k0e = row(special.k0e, lambda y, x: y - k1e(x), on=positive)


# -------------------------------------------------- Airy functions
@numpy_function(special.airy)
@op
class airy:
    """(Ai, Ai', Bi, Bi'), which both solve y'' = x y."""

    name = "special.airy"
    core = 0
    multiple = True

    def evaluate(x):
        return special.airy(x)

    def differential(y, x, dx):
        return y[1] * dx, x * y[0] * dx, y[3] * dx, x * y[2] * dx

    def domain(rng, dtype):
        if np.dtype(dtype).char in "fdFD":
            yield (reals.sample(rng, (2, 3), dtype),), {}
