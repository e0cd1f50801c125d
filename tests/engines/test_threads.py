"""Within, linear algebra has one thread; behind, as many as before."""

from __future__ import annotations

import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info, threadpool_limits

from workbench.engines.threads import one_blas_thread


def counts() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_one_thread_within() -> None:
    with threadpool_limits(2, user_api="blas"):
        assert counts() == {2}
        with one_blas_thread():
            assert counts() == {1}
        assert counts() == {2}
