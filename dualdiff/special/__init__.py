"""SciPy's special functions on tensors: `scipy.special.erf(x)` works as it stands, and loads this package.

A name here is SciPy's own ufunc where SciPy has one, which hands itself over to tensors. The others are ours,
with SciPy's signatures, since SciPy's are Python functions that would make arrays of their arguments.
"""

# The chapters are imported for what they register, and give the names of SciPy's ufuncs.
# ruff: noqa: F401, I001
# fmt: off
from scipy.special import (
    airy, beta, betainc, betaincc, betainccinv, betaincinv, betaln, binom, boxcox, boxcox1p, cbrt,
    cosdg, cosm1, dawsn, digamma, ellipe, ellipeinc, ellipk, ellipkinc, ellipkm1, entr, erf, erfc, erfcinv,
    erfcx, erfi, erfinv, eval_chebyt, eval_chebyu, eval_gegenbauer, eval_genlaguerre, eval_hermite,
    eval_hermitenorm, eval_jacobi, eval_laguerre, eval_legendre, exp1, exp10, exp2, expi, expit, expm1,
    expn, exprel, fresnel, gamma, gammainc, gammaincc, gammainccinv, gammaincinv, gammaln, gammasgn,
    hankel1, hankel1e, hankel2, hankel2e, huber, hyp0f1, hyp1f1, hyp2f1, i0, i0e, i1, i1e, inv_boxcox,
    inv_boxcox1p, iv, ive, j0, j1, jn, jv, jve, k0, k0e, k1, k1e, kl_div, kn, kv, kve, lambertw, log1p,
    log_expit, log_ndtr, loggamma, logit, ndtr, ndtri, ndtri_exp, owens_t, poch, powm1, pseudo_huber, psi,
    rel_entr, rgamma, shichi, sici, sindg, spence, voigt_profile, wofz, xlog1py, xlogy, y0, y1, yn, yv,
    yve, zeta,
)

from dualdiff.ops.logsums import logsumexp
from dualdiff.ops.softmax import log_softmax, softmax
from dualdiff.special import bessel, gammas, hypergeometric, statistics
from dualdiff.special.functions import (
    comb, factorial, multigammaln, polygamma, softplus, spherical_in, spherical_jn, spherical_kn,
    spherical_yn,
)
