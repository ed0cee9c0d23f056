"""The graph network: its messages against the dense inverse of its own covariance, and what a missing node does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from RegionalBrainAgeLib.age.model.network import AgeNetwork, Architecture, GraphField

NODES = 30


@pytest.fixture(scope="module")
def network() -> AgeNetwork:
    """A network with random weights on a random graph."""
    rng = np.random.default_rng(0)
    edges = np.array([(i, j) for i in range(NODES) for j in range(i + 1, NODES) if rng.random() < 0.2])
    made = AgeNetwork(Architecture(NODES, hubs=4, scanner_hubs=3), edges)
    torch.manual_seed(0)
    with torch.no_grad():
        for weights in made.parameters():
            weights.add_(0.5 * torch.randn_like(weights))
    return made.eval()


def dense_precision(network, visible, controls, error=0.0):
    """Oracle: the covariance written out, its visible part inverted."""
    loads, noise = GraphField(network).scanner(controls, None)
    with torch.no_grad():
        covariance = (network.residual_covariance() + loads @ loads.T + torch.diag(noise)).numpy() + error
    return np.linalg.inv(covariance[np.ix_(visible, visible)])


@pytest.mark.parametrize("controls", [0, 20])
def test_messages_find_the_inverse_covariance_of_the_nodes_in_view(network, controls):
    visible = np.random.default_rng(1).random(NODES) < 0.7
    found = GraphField(network).precision(visible, controls)
    np.testing.assert_allclose(found, dense_precision(network, visible, controls), atol=1e-6)


def test_the_errors_of_a_route_are_added(network):
    rng = np.random.default_rng(2)
    loads = rng.standard_normal((NODES, 2))
    error = loads @ loads.T + np.diag(rng.uniform(0.1, 1.0, NODES))
    visible = np.ones(NODES, dtype=bool)
    found = GraphField(network).precision(visible, 0, error)
    np.testing.assert_allclose(found, dense_precision(network, visible, 0, error), atol=1e-6)


def test_the_field_is_positive_definite_and_couples_neighbours_only(network):
    with torch.no_grad():
        precision = network.field_precision().numpy()
    assert np.linalg.eigvalsh(precision).min() > 0
    coupled = {tuple(pair) for pair in np.argwhere(np.triu(np.abs(precision) > 0, 1))}
    assert coupled == {tuple(pair) for pair in network.edges.T.numpy()}


def test_more_controls_leave_less_unknown_of_a_scanner(network):
    left = [sum(float(part.square().sum()) for part in GraphField(network).scanner(n, None)) for n in (0, 10, 100)]
    assert left[0] > left[1] > left[2]


def test_messages_off_and_messages_on_differ(network):
    """Noise on the edges alone changes what is read; the messages are not decoration."""
    visible = np.ones(NODES, dtype=bool)
    before = GraphField(network).precision(visible)
    other = AgeNetwork(network.architecture, network.edges.T.numpy())
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        other.log_strength.add_(1.0)
    assert np.abs(GraphField(other).precision(visible) - before).max() > 0.01
