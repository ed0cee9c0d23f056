"""Keeps the number of threads what the caller asked for, and sums the same for any number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk
import torch


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
