"""The command train-structures writes a whole model folder or leaves the old one."""

from __future__ import annotations

import pytest
from regional_brain_age.__main__ import main
from RegionalBrainAgeLib.structures.model import load_model
from RegionalBrainAgeLib.structures.training import examples, train


@pytest.fixture
def arguments(tmp_path, monkeypatch, made_examples, untrained_model):
    """Arguments of a training whose networks are at hand, over a folder with an older model."""
    monkeypatch.setattr(examples, "read_examples", lambda *_: made_examples)
    monkeypatch.setattr(train, "train_model", lambda *_: untrained_model)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "older.txt").write_text("older")
    return ["train-structures", "heads.tsv", "--folds", "0", "--out", str(tmp_path / "m")]


def test_a_model_takes_the_place_of_the_older_one(arguments, tmp_path):
    assert main([*arguments, "--overwrite"]) == 0
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert names == {"weights.safetensors", "structures.json", "MODEL_CARD.md"}
    assert load_model(tmp_path / "m").about["heads"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_model_that_is_not_written_to_the_end_leaves_the_older_one(arguments, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("RegionalBrainAgeLib.files.atomic_file.os.fsync", full)
    assert main([*arguments, "--overwrite"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["older.txt"]


def test_an_older_model_is_not_replaced_unasked(arguments, tmp_path, capsys):
    assert main(arguments) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["older.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(arguments, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([*arguments[:-1], str(tmp_path / "file"), "--overwrite"]) == 2
    assert "is a file" in capsys.readouterr().err
