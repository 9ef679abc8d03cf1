"""Rising factorials ``a (a + 1) ... (a + n - 1)``: the ratio of Gamma functions by which votes enter a Dirichlet's likelihood.

For whole numbers of votes they are products, which take a fraction of the time of Gamma functions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import digamma, gammaln

_MOST_FACTORS = 32  # of parameters up to 1e9, whose product is a finite number


class RisingFactorial:
    """Logarithms of rising factorials, and their derivatives, of M given counts for parameters that change.

    Args:
        count_M: n, at least 0; need not be whole.

    Examples:
        >>> np.exp(RisingFactorial(np.array([2.0, 0.0])).log(np.array([[3.0], [3.0]]))).round(6).tolist()
        [[12.0], [1.0]]
    """

    def __init__(self, count_M: np.ndarray) -> None:
        is_product_M = (count_M == np.floor(count_M)) & (count_M <= _MOST_FACTORS)
        self._others = np.flatnonzero(~is_product_M)
        self._other_count_O1 = count_M[self._others, None]
        product_count_M = np.where(is_product_M, count_M, 0)
        # The rows that have a factor a + j, for j from 0 up.
        self._rows_with_factor = [
            np.flatnonzero(product_count_M > j) for j in range(int(product_count_M.max(initial=0)))
        ]

    def log(self, a_MZ: np.ndarray) -> np.ndarray:
        """``log Gamma(a + n) - log Gamma(a)``.

        Args:
            a_MZ: Z positive parameters per count.

        Returns:
            ``log_MZ``.
        """
        product_MZ = np.ones_like(a_MZ)
        for rows, factor_RZ in self._factors(a_MZ):
            product_MZ[rows] *= factor_RZ
        return self._log(product_MZ, a_MZ)

    def log_and_derivative(self, a_MZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As ``log``, with its derivative by a, ``digamma(a + n) - digamma(a)``.

        Args:
            a_MZ: see ``log``.

        Returns:
            ``(log_MZ, d_MZ)``.
        """
        product_MZ, d_MZ = np.ones_like(a_MZ), np.zeros_like(a_MZ)
        for rows, factor_RZ in self._factors(a_MZ):
            product_MZ[rows] *= factor_RZ
            d_MZ[rows] += 1 / factor_RZ
        if len(self._others):
            a_OZ = a_MZ[self._others]
            d_MZ[self._others] = digamma(a_OZ + self._other_count_O1) - digamma(a_OZ)
        return self._log(product_MZ, a_MZ), d_MZ

    def _log(self, product_MZ: np.ndarray, a_MZ: np.ndarray) -> np.ndarray:
        """The logarithms, of the products in their place, and of the others by Gamma functions."""
        log_MZ: np.ndarray = np.log(product_MZ, out=product_MZ)
        if len(self._others):
            a_OZ = a_MZ[self._others]
            log_MZ[self._others] = gammaln(a_OZ + self._other_count_O1) - gammaln(a_OZ)
        return log_MZ

    def _factors(self, a_MZ: np.ndarray) -> Iterator[tuple[np.ndarray | slice, np.ndarray]]:
        """The rows with a factor ``a + j``, and the factors of these rows."""
        for j, rows in enumerate(self._rows_with_factor):
            chosen = slice(None) if len(rows) == len(a_MZ) else rows  # no copy where all rows have the factor
            yield chosen, a_MZ[chosen] + j
