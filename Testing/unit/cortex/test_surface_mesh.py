"""Meshes of spheres: area, closedness, direction of normals, and smoothing that does not shrink."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.cortex.surface_mesh import surface_of
from RegionalBrainAgeLib.cortex.white_surface import crossing, white_surface

RADIUS = 13.3


def ball(noise=0.0):
    away = np.linalg.norm(np.indices((36, 36, 36)) - 17.5, axis=0)
    return (RADIUS - away + np.random.default_rng(0).normal(0, noise, away.shape)).astype(np.float32)


def distance(mesh):
    return np.linalg.norm(mesh.vertices - 17.5, axis=1)


def test_a_sphere_has_its_radius_and_its_area():
    mesh = surface_of(ball(), 0.0)
    np.testing.assert_allclose(distance(mesh), RADIUS, atol=0.05)
    assert mesh.normals_and_areas()[1].sum() == pytest.approx(4 * np.pi * RADIUS**2, rel=0.01)


def test_normals_point_outward():
    mesh = surface_of(ball(), 0.0)
    outward = (mesh.vertices - 17.5) / distance(mesh)[:, None]
    assert (mesh.normals_and_areas()[0] * outward).sum(axis=1).min() > 0.95


def test_the_surface_is_closed():
    mesh = surface_of(ball(), 0.0)
    edges = np.sort(np.stack([mesh.quads, np.roll(mesh.quads, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    distinct, faces_at_edge = np.unique(edges, axis=0, return_counts=True)
    assert (faces_at_edge == 2).all()
    assert len(mesh.vertices) - len(distinct) + len(mesh.quads) == 2, "Euler's number of a sphere"


def test_a_field_that_reaches_the_edge_is_closed_there():
    mesh = surface_of(np.array([[[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 0.0]]]), 0.5)
    assert (np.bincount(mesh.quads.ravel(), minlength=len(mesh.vertices)) >= 3).all()


def test_smoothing_takes_roughness_out_and_keeps_the_size():
    sphere = surface_of(ball(), 0.0)
    rough = sphere.at(sphere.vertices + np.random.default_rng(0).normal(0, 0.3, sphere.vertices.shape))
    smooth = rough.smoothed(10)
    assert distance(smooth).std() < 0.5 * distance(rough).std()
    assert distance(smooth).mean() == pytest.approx(distance(rough).mean(), abs=0.05)


def test_the_white_surface_of_a_ball_is_that_ball():
    # On a half-millimetre grid: the level passes 0.75 at the radius, with a slope of 0.5 per mm.
    mesh = white_surface(np.clip(0.75 + 0.25 * ball(), 0, 1))
    away_mm = np.linalg.norm(mesh.vertices - 17.5 * 0.5, axis=1)
    assert away_mm.mean() == pytest.approx(RADIUS * 0.5, abs=0.05)


def test_the_nearest_fall_through_zero_is_found():
    rows = np.array([[1.0, -1.0, -1.0, -1.0], [1.0, 1.0, 1.0, -3.0], [1.0, 1.0, 1.0, 1.0]])
    np.testing.assert_allclose(crossing(rows, np.array([-1.0, 0.0, 1.0, 2.0])), [-0.5, 1.25, np.nan])
