"""Training of the structure network on made heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.images import write_image
from RegionalBrainAgeLib.structures.half_brain import DEEP, WHOLE
from RegionalBrainAgeLib.structures.names import CLASSES, OTHER_SIDE
from RegionalBrainAgeLib.structures.training.augmentation import draw, plain
from RegionalBrainAgeLib.structures.training.evaluation import evaluate_head, reference_volumes
from RegionalBrainAgeLib.structures.training.examples import lopsided_class, read_examples
from RegionalBrainAgeLib.structures.training.muse_labels import class_of_code
from RegionalBrainAgeLib.structures.training.train import TrainingSettings, loss_of, train_network

SHORT = TrainingSettings(steps={"deep": 6}, channels={"deep": (8, 8, 8)}, seed=4)


def test_left_and_right_codes_change_places_with_the_half():
    left, right = class_of_code("L"), class_of_code("R")
    thalamus, other = CLASSES.index("Thalamus"), CLASSES.index(OTHER_SIDE)
    assert (left[60], left[59], right[60], right[59]) == (thalamus, other, other, thalamus)
    assert left[35] == right[35] == CLASSES.index("Brain-Stem")
    assert left[0] == right[0] == 0


def test_every_code_of_a_side_has_its_class_on_that_side():
    left, right = class_of_code("L"), class_of_code("R")
    for code in range(256):
        if right[code] == CLASSES.index(OTHER_SIDE):
            assert left[code] not in (0, CLASSES.index(OTHER_SIDE))


def test_reference_volumes_are_counted_in_the_map(made_examples, made_head):
    labels = made_head[2].array
    volumes = reference_volumes(made_examples[0])
    assert volumes["Left-Thalamus"] == np.sum(labels == 60) * 27.0
    assert volumes["Right-Lateral-Ventricle"] == np.sum(labels == 51) * 27.0
    assert volumes["EstimatedTotalIntraCranialVol"] == np.sum(labels > 0) * 27.0


def test_a_draw_moves_image_and_labels_together(made_examples):
    """Inside any variant the ventricle stays darker than the white matter around it."""
    rng = np.random.default_rng(0)
    for _ in range(4):
        sample = draw(made_examples[0], "L", DEEP, rng)
        assert sample.half.shape == (1, 1, *DEEP.shape)
        seen = sample.half[0, 0] > 0
        ventricle = (sample.classes == CLASSES.index("Lateral-Ventricle")) & seen
        white = (sample.classes == CLASSES.index("Cerebral-White-Matter")) & seen
        assert sample.half[0, 0][ventricle].median() < 0.6 * sample.half[0, 0][white].median()


def test_the_loss_is_nought_when_certain_and_right(made_examples):
    classes = plain(made_examples[0], "L", WHOLE)[1][None, ::4, ::4, ::4]
    certain = torch.nn.functional.one_hot(classes, len(CLASSES)).movedim(-1, 1) * 50.0
    weight = torch.ones(classes.shape)
    assert loss_of(certain, classes, weight, 1.0) < 1e-3
    assert loss_of(torch.zeros_like(certain), classes, weight, 0.0) == pytest.approx(np.log(len(CLASSES)), rel=1e-4)


def test_the_same_seed_gives_the_same_weights(made_examples):
    torch.set_num_threads(1)
    first, second = (train_network(made_examples, DEEP, SHORT).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_loss_falls_while_training(made_examples):
    torch.set_num_threads(1)
    losses = []
    settings = TrainingSettings(steps={"deep": 40}, channels={"deep": (8, 8, 8)}, seed=1)
    train_network(made_examples, DEEP, settings, lambda _, loss: losses.append(loss))
    assert losses[1] < 0.9 * losses[0]


def test_a_head_is_compared_with_its_own_label_map(made_examples, untrained_model):
    row = evaluate_head(untrained_model, made_examples[0])
    assert row["reference:Left-Thalamus"] == reference_volumes(made_examples[0])["Left-Thalamus"]
    assert 0 <= row["dice:Left-Thalamus"] < 0.5  # random weights


def test_a_map_that_fails_on_one_side_is_noticed(made_head):
    labels = made_head[2].array.copy()
    assert lopsided_class(labels) is None
    labels[labels == 60] = 0
    assert lopsided_class(labels) == "Thalamus"


def test_codes_that_muse_does_not_have_are_refused(tmp_path, made_head):
    t1, _, labels = made_head
    write_image(t1, tmp_path / "t1.nii.gz")
    write_image(labels.like(np.where(labels.array == 60, 250, labels.array)), tmp_path / "labels.nii.gz")
    (tmp_path / "heads.tsv").write_text("id\tt1\tlabels\na\tt1.nii.gz\tlabels.nii.gz\n")
    with pytest.raises(InputError, match="250"):
        read_examples(tmp_path / "heads.tsv", threads=1)


def test_a_table_without_labels_is_refused(tmp_path):
    (tmp_path / "heads.tsv").write_text("id\tt1\na\tt1.nii.gz\n")
    with pytest.raises(InputError, match="lacks the columns"):
        read_examples(tmp_path / "heads.tsv", threads=1)
