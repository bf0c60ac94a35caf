"""Where the layers of a cnn halve the image: decided by the image alone."""

from __future__ import annotations

FIRST_STRIDE_FROM = 16  #: Side of the input from which the first layer of a cnn halves it.
SMALLEST_SIDE = 4  #: Later layers halve the side while it is greater.


def strides(input_shape: tuple[int, ...], count: int) -> list[int]:
    """The strides of that many layers: 1 for all where the input is no image.

    Small images keep their side in the first layer; then it is halved until few positions are left.
    """
    side = max(input_shape[1:], default=1)
    found: list[int] = []
    for number in range(count):
        is_halved = side >= FIRST_STRIDE_FROM or (side > SMALLEST_SIDE and number > 0)
        found.append(2 if is_halved else 1)
        side = -(-side // found[-1])
    return found
