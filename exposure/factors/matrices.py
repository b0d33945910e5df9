"""Arrays as the graph mathematics wants them, and the one dense solve."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from exposure.errors import ContentError

Vector: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = Any  # ArrayLike or a scipy sparse array: scipy has no one name for it
Csr: TypeAlias = Any  # scipy.sparse.csr_array of floats; arithmetic loses its type parameters

DENSE_LIMIT = 400  # up to here a dense LU beats everything else


def dense_solve(system: Vector, b: Vector) -> Vector:
    """Return s with system s = b, or say that the matrix is singular."""
    try:
        return np.asarray(np.linalg.solve(system, b), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise ContentError("a closed circle of suppliers has no cost outside itself") from error


def csr(matrix: Matrix) -> Csr:
    """Return the matrix as a sparse array of floats by rows."""
    if not sparse.issparse(matrix):
        dense = np.asarray(matrix, dtype=np.float64)
        if dense.ndim != 2:
            raise ValueError(f"a matrix must have two dimensions, got {dense.ndim}")
        return sparse.csr_array(dense)
    anything: Any = matrix  # the check above narrows the type to one that has no members
    return sparse.csr_array(anything, dtype=np.float64)


def square(matrix: ArrayLike) -> Vector:
    """Return the flows as a square array of floats."""
    dense = np.asarray(matrix, dtype=np.float64)
    if dense.ndim != 2 or dense.shape[0] != dense.shape[1]:
        raise ValueError(f"a square matrix is needed, got shape {dense.shape}")
    return dense


def vector(values: ArrayLike, what: str) -> Vector:
    """Return the values as an array of one dimension."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{what} must have one dimension, got {array.ndim}")
    return array


def same_length(left: int, right: int, left_name: str, right_name: str) -> None:
    """Refuse two arguments over different numbers of nodes."""
    if left != right:
        raise ValueError(f"{left_name} has {left} nodes but {right_name} has {right}")
