"""Keeps the number of threads what the caller asked for, and sums the same for any number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import SimpleITK as sitk
import torch

Item = TypeVar("Item")
Found = TypeVar("Found")


def at_once(function: Callable[[Item], Found], items: Sequence[Item], threads: int) -> list[Found]:
    """What a function gives for every item, in order; up to `threads` of them are worked on at a time."""
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(function, items))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Runs torch with `count` threads, then as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_itk_thread() -> Iterator[None]:
    """Runs ITK with one thread, then as before: filters that sum over an image add up in another order with more.

    A filter's own ``SetNumberOfThreads`` does not reach the filters it is made of.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
