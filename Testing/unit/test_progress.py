"""Lines of progress tell the step, the share and, once it can be told, the time left."""

from __future__ import annotations

import logging

import pytest
from RegionalBrainAgeLib.progress import left_in_words, progress_lines, time_left


@pytest.mark.parametrize(
    ("seconds", "fraction", "words"),
    [
        (1, 0.5, ""),  # too early to tell
        (60, 0.01, ""),  # too little done to tell
        (60, 1.0, ""),  # done
        (60, 0.5, "about 1 min left"),
        (60, 0.75, "about 20 s left"),
        (3600, 0.25, "about 3.0 h left"),
    ],
)
def test_the_time_left_is_the_pace_so_far(seconds, fraction, words):
    assert time_left(seconds, fraction) == words


def test_a_short_time_is_never_called_zero():
    assert left_in_words(0.1) == "about 5 s left"


def test_a_line_per_step_and_few_within_one(caplog):
    now = iter(range(0, 1000, 10))
    tell = progress_lines(clock=lambda: next(now))
    with caplog.at_level(logging.INFO, logger="regional_brain_age"):
        for step, fraction in [("read", 0.0), ("long", 0.1), ("long", 0.11), ("long", 0.5), ("done", 1.0)]:
            tell(step, fraction)
    lines = [record.message for record in caplog.records]
    assert len(lines) == 4
    assert lines[0] == "[  10.0 s]   0 %  read"
    assert lines[2].endswith(" 50 %  long (about 30 s left)")
