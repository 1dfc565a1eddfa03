"""An implicit function with the derivative of its equation: a solver that nothing differentiates.

A rod conducts heat, radiates it, and is heated: u solves F(u, s) = 0, found by Newton's method. The rule is
the implicit function theorem, F_u du + F_s ds = 0: one linear system, however long the loop was. One rule
gives the gradient, by transposing it, and the Hessian; both are compared with those of the loop itself.
"""

import numpy as np

import dualdiff as dd

N = 20
CONDUCTION = (np.diag(np.full(N - 1, 1.0), 1) + np.diag(np.full(N - 1, 1.0), -1) - 2 * np.eye(N)) * (
    N + 1
) ** 2


def equation(u, s):
    return CONDUCTION @ u - 50 * u**4 + s


def newton(s):
    u = np.zeros(N)
    for _ in range(100):
        step = np.linalg.solve(dd.jacobian(equation)(u, s), equation(u, s))
        u = u - step
        if np.max(np.abs(step)) < 1e-13:
            break
    return u


temperatures = dd.custom_jvp(newton)


@temperatures.defjvp
def rule(primals, tangents):
    (s,), (s_dot,) = primals, tangents
    u = temperatures(s)
    _, f_dot = dd.jvp(lambda s: equation(u, s), (s,), (s_dot,))
    return u, -np.linalg.solve(dd.jacobian(equation)(u, s), f_dot)


def main():
    s = 100 * np.exp(-(np.linspace(-2, 2, N) ** 2))
    hottest = lambda solve: lambda s: np.sum(solve(s) ** 8)  # noqa: E731
    gradient, loop = dd.grad(hottest(temperatures))(s), dd.grad(hottest(newton))(s)
    second = dd.hessian(hottest(temperatures))(s)
    return {
        "residual": np.max(np.abs(equation(newton(s), s))),
        "gradient differs by": np.max(np.abs(gradient / loop - 1)),
        "modes differ by": np.max(np.abs(gradient / dd.jacfwd(hottest(temperatures))(s) - 1)),
        "Hessian differs by": np.max(np.abs(second - dd.hessian(hottest(newton))(s)))
        / np.max(np.abs(second)),
        "Hessian is symmetric to": np.max(np.abs(second - second.T)) / np.max(np.abs(second)),
    }


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>24}: {number}")
