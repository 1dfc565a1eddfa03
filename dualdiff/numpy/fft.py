"""The covered functions of numpy.fft; each is NumPy's own, which hands itself over to tensors."""

# ruff: noqa: F401, I001
# fmt: off
from numpy.fft import (
    fft, fft2, fftfreq, fftn, fftshift, hfft, ifft, ifft2, ifftn, ifftshift, ihfft, irfft, irfft2, irfftn,
    rfft, rfft2, rfftfreq, rfftn,
)
