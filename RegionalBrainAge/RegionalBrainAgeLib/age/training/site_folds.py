"""Which sites are held out: in turn from a whole training, and within one to say when it has learned enough."""

from __future__ import annotations

from difflib import SequenceMatcher

import numpy as np

_STOPPING_GROUPS = 5
RANDOM_PARTS = 5
_FEWEST_SITES_TO_STOP = 3


def site_folds(site: np.ndarray, age_years: np.ndarray, folds: int) -> list[list[str]]:
    """Sites in groups to hold out: the sites with most people over 40 apart, the others by size.

    Parameters
    ----------
    site, age_years : (N,) of the people.
    """
    sites = np.unique(site)
    old = {name: int((age_years[site == name] >= 40).sum()) for name in sites}
    size = {name: int((site == name).sum()) for name in sites}
    folds = min(folds, len(sites))
    ordered = sorted(sites, key=lambda name: (-old[name], -size[name], name))
    groups = [[name] for name in ordered[:folds]]
    for name in sorted(ordered[folds:], key=lambda name: (-size[name], name)):
        smallest = min(range(folds), key=lambda fold: sum(size[member] for member in groups[fold]))
        groups[smallest].append(name)
    return [[str(name) for name in group] for group in groups]


def random_parts(people: int) -> np.ndarray:
    """(N,) number of the part, 0 to 4, each person is held out with where there is only one site to learn from."""
    return np.random.default_rng(0).permutation(people) % RANDOM_PARTS


def stopping_sites(site: np.ndarray, age_years: np.ndarray) -> list[str]:
    """Sites of training people on which to watch a training: the group second in people over 40.

    The first group stays for training. None where there are only one or two sites: they are needed to learn from.
    """
    if len(np.unique(site)) < _FEWEST_SITES_TO_STOP:
        return []
    return site_folds(site, age_years, _STOPPING_GROUPS)[1]


def same_site(chart_site: str, site: str) -> bool:
    """Whether a site of the charts is, by its name, this site of a table (spelling slips allowed)."""
    one, other = ("".join(c for c in name.lower() if c.isalnum()) for name in (chart_site, site))
    return one == other or SequenceMatcher(None, one, other).ratio() >= 0.88
