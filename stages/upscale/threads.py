"""How many threads torch takes for what the calling thread asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """So many for the work inside. Each thread has a number of its own, and others keep theirs.

    One is right for what is short: threads that wait for each other lose far more than they gain where decoder and
    encoder want the same cores (a change of colour of 0.3 ms took 300 ms in two threads on two busy cores).
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
