"""How many threads the libraries of linear algebra use."""

from __future__ import annotations

import contextlib


def one_blas_thread() -> contextlib.AbstractContextManager[object]:
    """Within, one thread of the BLAS, for matrices that are small.

    Two wait for one another, and for the threads of the model, longer than they work: explaining a table took a sixth
    longer. Where threadpoolctl is not installed (docs/deploy.md) there are as many as before.
    """
    import scipy.linalg  # noqa: F401 - only a library that is loaded can be told

    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(1, user_api="blas")
