"""Fourier transforms: lengths, normalisations and axes against differences; the adjoint against matrices."""

import numpy as np
import pytest
from families import family

import dualdiff as dd
from dualdiff.errors import ConversionError

rng = np.random.default_rng(31)
X = rng.uniform(-2, 2, (3, 4))
Z = X[:, ::-1] + 1j * X
CUBE = rng.uniform(-2, 2, (2, 3, 5))
ZCUBE = CUBE + 1j * CUBE[::-1]

ONE = {
    "fft": (np.fft.fft, (X, Z)),
    "ifft": (np.fft.ifft, (X, Z)),
    "rfft": (np.fft.rfft, (X,)),
    "irfft": (np.fft.irfft, (X, Z)),
    "hfft": (np.fft.hfft, (X, Z)),
    "ihfft": (np.fft.ihfft, (X,)),
}
KEYWORDS = {
    "plain": {},
    "ortho": {"norm": "ortho"},
    "forward": {"norm": "forward"},
    "backward": {"norm": "backward"},
    "axis": {"axis": 0},
    "odd": {"n": 5, "norm": "ortho"},
    "cut": {"n": 3, "axis": -1},
    "long": {"n": 7, "axis": 0, "norm": "forward"},
    "two": {"n": 2},
    "one": {"n": 1},
}
CASES = {
    f"{name}-{word}-{x.dtype}": ((lambda x, f=f, keywords=keywords: f(x, **keywords)), x)
    for name, (f, points) in ONE.items()
    for word, keywords in KEYWORDS.items()
    for x in points
} | {
    "fft-positional": (lambda x: np.fft.fft(x, 3, 0, "ortho"), Z),
    "fft2": (np.fft.fft2, CUBE),
    "fft2-s": (lambda x: np.fft.fft2(x, s=(4, 3), axes=(0, 2), norm="ortho"), ZCUBE),
    "ifft2": (np.fft.ifft2, ZCUBE),
    "fftn": (np.fft.fftn, CUBE),
    "fftn-axes": (lambda x: np.fft.fftn(x, axes=(0, -1), norm="forward"), ZCUBE),
    "fftn-repeated-axes": (lambda x: np.fft.fftn(x, axes=(1, 1, 0)), ZCUBE),
    "fftn-s": (lambda x: np.fft.fftn(x, s=(-1, 6), axes=(0, 2)), CUBE),
    "ifftn": (lambda x: np.fft.ifftn(x, s=(3, 2), axes=(2, 1)), ZCUBE),
    "rfft2": (np.fft.rfft2, CUBE),
    "rfftn": (np.fft.rfftn, CUBE),
    "rfftn-s": (lambda x: np.fft.rfftn(x, s=(3, 4), axes=(2, 0), norm="ortho"), CUBE),
    "irfft2": (np.fft.irfft2, ZCUBE),
    "irfft2-odd": (lambda x: np.fft.irfft2(x, s=(3, 9)), ZCUBE),
    "irfftn": (lambda x: np.fft.irfftn(x, norm="forward"), ZCUBE),
    "irfftn-s": (lambda x: np.fft.irfftn(x, s=(2, 5), axes=(1, 2)), ZCUBE),
    "fftshift": (np.fft.fftshift, CUBE),
    "fftshift-axis": (lambda x: np.fft.fftshift(x, axes=1), CUBE),
    "ifftshift-axes": (lambda x: np.fft.ifftshift(x, axes=(0, 2)), CUBE),
    "spectrum": (lambda x: np.abs(np.fft.rfft(x)) ** 2, X),
}


@family(CASES)
def test_transform_obeys(law, f, xs):
    law(f, xs)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_pullbacks_of_half_spectra_are_the_adjoint_matrices(n, norm):
    """The matrix of a real-linear map, column by column, against its pullback of each basis vector."""
    inverse = lambda y: np.fft.irfft(y[0] + 1j * y[1], n, norm=norm)  # noqa: E731
    forward = lambda x: np.stack([(y := np.fft.rfft(x, norm=norm)).real, y.imag])  # noqa: E731
    for f, shape in ((forward, (n,)), (inverse, (2, n // 2 + 1))):
        basis = np.eye(int(np.prod(shape))).reshape(-1, *shape)
        matrix = np.stack([f(e).ravel() for e in basis], axis=-1)
        found = dd.jacobian(lambda x: f(x).ravel(), mode="reverse")(np.zeros(shape))  # noqa: B023
        np.testing.assert_allclose(found.reshape(matrix.shape), matrix, atol=1e-15)


def test_frequencies_of_a_tensor_step_carry_its_derivative():
    slope = dd.jacobian(lambda d: np.fft.fftfreq(5, d))(0.5)
    np.testing.assert_allclose(slope, -np.fft.fftfreq(5, 0.5) / 0.5)


def test_values_are_numpys_to_the_last_bit():
    for f in (np.fft.fft, np.fft.rfft):
        np.testing.assert_array_equal(dd.vjp(f, CUBE)[0], f(CUBE))


@pytest.mark.parametrize("f", [np.fft.fft, np.fft.irfft, np.fft.hfft, np.fft.rfft2])
def test_what_numpy_refuses_is_refused(f):
    with pytest.raises(ValueError, match="norm"):
        dd.vjp(lambda x: f(x, norm="half"), X)
    with pytest.raises(ConversionError, match="out="):
        dd.vjp(lambda x: f(x, out=np.zeros(3)), X)
    with pytest.raises(np.exceptions.AxisError):
        dd.vjp(lambda x: np.fft.fft(x, axis=2), X)
    with pytest.raises(ValueError, match="0"):
        dd.vjp(lambda x: np.fft.fft(x, 0), X)
