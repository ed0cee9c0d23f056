"""Where a batch stands: a bar with rate and time left on stderr (lines where stderr is a file), and a callback."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

from ...progress import LOG, Progress, left_in_words

_FORMAT = "{percentage:3.0f} %|{bar}| {n:.1f}/{total} cases [{elapsed}{postfix}]"
LINE_INTERVAL_S = 10.0


class Meter:
    """Counts cases, with the parts of those under way.

    Parameters
    ----------
    total : number of cases to compute.
    callback : called as ``callback(text, fraction)``; None for none.
    show : draw the bar, or write lines like those of ``case``, on stderr.
    """

    def __init__(self, total: int, callback: Progress | None = None, show: bool = True) -> None:
        self._total = total
        self._callback = callback
        self._done = 0
        self._failed = 0
        self._start = time.monotonic()
        self._told = -LINE_INTERVAL_S
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self._lines = show and total > 0 and not terminal
        self._bar = tqdm(
            total=total,
            unit="case",
            file=sys.stderr,
            disable=not (show and terminal and total > 0),
            bar_format=_FORMAT,
            smoothing=0.0,
            mininterval=0.2,
        )

    def ended(self, failed: bool) -> None:
        """One more case has ended."""
        self._done += 1
        self._failed += failed

    def update(self, steps: list[tuple[str, str, float]]) -> None:
        """Show the state.

        Parameters
        ----------
        steps : case name, step and fraction (0..1) of each case under way.
        """
        under_way = self._done + sum(fraction for _, _, fraction in steps)
        text = ", ".join(f"{name}: {step}" for name, step, _ in steps[:3])
        if self._failed:
            text = f"{self._failed} failed; {text}"
        self._bar.set_postfix_str(f"{self._left(under_way)}; {text}".strip("; "), refresh=False)
        # Never backwards: a case that is tried again begins anew.
        self._bar.update(max(0.0, under_way - self._bar.n))
        if self._lines and time.monotonic() - self._told >= LINE_INTERVAL_S:
            self._write_line(under_way, text)
        if self._callback is not None:
            self._callback(f"{self._done} of {self._total} cases. {text}", under_way / max(self._total, 1))

    def close(self) -> None:
        """End the bar."""
        if not self._bar.disable:
            self._bar.n = self._done
        self._bar.close()
        if self._lines:
            self._write_line(self._done, f"{self._failed} failed" if self._failed else "")

    def _write_line(self, under_way: float, text: str) -> None:
        self._told = time.monotonic()
        seconds = self._told - self._start
        left = self._left(under_way)
        percent = 100 * under_way / self._total
        words = f"{self._done} of {self._total} cases" + (f", {left}" if left else "")
        LOG.info(f"[{seconds:6.1f} s] {percent:3.0f} %  {words}. {text}".rstrip())

    def _left(self, under_way: float) -> str:
        """Time left; nobody can tell before the first case is half done."""
        if not 0.5 <= under_way < self._total:
            return ""
        return left_in_words((time.monotonic() - self._start) * (self._total - under_way) / under_way)
