"""Every public operation with the arguments it is tested with and a float64 oracle of its own."""

from . import gan, gaussian, linear
from .operation import FLOATS, LAYOUTS, Operation

OPERATIONS = {
    operation.name: operation
    for operation in (*gaussian.OPERATIONS, *gan.OPERATIONS, *linear.OPERATIONS)
}

__all__ = ["FLOATS", "LAYOUTS", "OPERATIONS", "Operation"]
