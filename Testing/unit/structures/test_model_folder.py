"""The folder of a structure network: read as written, refused when altered."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.structures.model import GrayLine, load_model, save_model


@pytest.fixture
def folder(tmp_path, untrained_model):
    save_model(tmp_path / "m", untrained_model)
    return tmp_path / "m"


def test_a_saved_model_reads_back(folder, untrained_model):
    model = load_model(folder)
    assert model.about == {"name": "untrained"}
    for window, network in untrained_model.networks.items():
        for name, value in network.state_dict().items():
            assert torch.allclose(model.networks[window].state_dict()[name], value, atol=2e-3)


def test_the_same_model_gives_the_same_bytes(folder, tmp_path, untrained_model):
    save_model(tmp_path / "again", untrained_model)
    for file in folder.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_altered_weights_are_refused(folder):
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(InputError, match="sha256"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [({"format": "other/1"}, "does not describe"), ({"classes": ["Background"]}, "other structures")],
)
def test_a_foreign_description_is_refused(folder, change, told):
    path = folder / "structures.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=told):
        load_model(folder)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path / "nowhere")


def test_the_line_of_grey_matter_travels_with_the_model(tmp_path, untrained_model):
    save_model(tmp_path / "m", replace(untrained_model, gray_line=GrayLine(0.17, 0.31)))
    assert load_model(tmp_path / "m").gray_line == GrayLine(0.17, 0.31)


@pytest.mark.parametrize("line", [{"intercept": 0.1}, {"intercept": 0.1, "slope": 0.0}, {"intercept": "x", "slope": 1}])
def test_an_impossible_line_of_grey_matter_is_refused(folder, line):
    path = folder / "structures.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "gray_line": line}))
    with pytest.raises(InputError, match="The weights in"):
        load_model(folder)
