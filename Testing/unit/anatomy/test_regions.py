"""The nine-network scheme, its parcel weights, and what a user's own scheme file may contain."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.anatomy.atlases import load_atlas
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, destrieux_atlas
from RegionalBrainAgeLib.anatomy.regions import load_scheme, membership, region_masks
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.geometry.coordinates import coordinates_mm

HEADER = "region\tnetwork\themisphere\tatlas\tlabels"
LEFT = "HAND_L\tHAND\tL\taal\tPrecentral_L,Postcentral_L"
RIGHT = "HAND_R\tHAND\tR\taal\tPrecentral_R,Postcentral_R"


def scheme_file(tmp_path, *lines):
    path = tmp_path / "own.tsv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def test_the_shipped_scheme_has_nine_networks_left_before_right():
    scheme = load_scheme()
    assert scheme.networks == ("SMN", "FPN", "DAN", "VAN", "SAL", "DMN", "AUD", "VIS", "LIM")
    assert [r.name for r in scheme.regions] == [f"{n}_{side}" for n in scheme.networks for side in "LR"]


def test_weights_of_a_region_sum_to_one_and_stay_in_its_hemisphere():
    scheme = load_scheme()
    weights = membership(scheme)
    assert weights.shape == (18, 148)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)
    for region, row in zip(scheme.regions, weights, strict=True):
        members = [name for name, weight in zip(PARCEL_NAMES, row, strict=True) if weight > 0]
        assert all(name.startswith("lh_" if region.hemisphere == "L" else "rh_") for name in members)


def test_weights_equal_a_slow_count_of_voxels():
    """Voxel by voxel over one region: share of the region's cortex, parcels under 15 % dropped."""
    scheme = load_scheme()
    region = scheme.regions[8]  # SAL_L
    atlas, parcels = load_atlas("aal").labels, destrieux_atlas()
    codes = [load_atlas("aal").codes[label] for label in region.labels]
    inside, total = dict.fromkeys(range(1, 75), 0), dict.fromkeys(range(1, 75), 0)
    for ijk in np.argwhere((parcels.array > 0) & (parcels.array < 75)):
        label = int(parcels.array[tuple(ijk)])
        total[label] += 1
        ras = parcels.ras_from_ijk @ [*ijk, 1]
        at = tuple(np.rint(np.linalg.solve(atlas.ras_from_ijk, ras)[:3]).astype(int))
        if all(0 <= a < n for a, n in zip(at, atlas.shape, strict=True)) and atlas.array[at] in codes:
            inside[label] += 1
    kept = np.array([inside[k] if inside[k] >= 0.15 * total[k] else 0 for k in range(1, 75)], float)
    np.testing.assert_allclose(membership(scheme)[8, :74], kept / kept.sum(), atol=1e-12)


@pytest.mark.parametrize(
    ("region", "parcel"),
    [
        ("SMN_L", "lh_G_precentral"),
        ("VIS_R", "rh_S_calcarine"),
        ("SAL_L", "lh_G_insular_short"),
        ("AUD_R", "rh_G_temp_sup-G_T_transv"),
        ("DMN_L", "lh_G_precuneus"),
    ],
)
def test_regions_hold_the_gyri_they_are_known_for(region, parcel):
    scheme = load_scheme()
    row = [r.name for r in scheme.regions].index(region)
    assert membership(scheme)[row, PARCEL_NAMES.index(parcel)] > 0.05


def test_region_voxels_are_those_of_its_labels_on_its_side():
    scheme = load_scheme()
    atlas = load_atlas("aal")
    for region, mask in zip(scheme.regions, region_masks(scheme), strict=True):
        x_mm = coordinates_mm(mask, np.argwhere(mask.array))[:, 0]
        assert np.all(x_mm < 0 if region.hemisphere == "L" else x_mm > 0)
        labels = np.isin(atlas.labels.array, [atlas.codes[label] for label in region.labels])
        assert not np.any(mask.array & ~labels)
        assert mask.array.sum() > 0.9 * labels.sum()


def test_every_label_of_the_shipped_scheme_is_listed_with_its_aal90_number():
    """Independent of the TSV: the numbers of FIELD.md count the first AAL's labels two by two."""
    import json

    from RegionalBrainAgeLib.resources import shipped

    document = json.loads(shipped("Schemes", "nine-networks.json").read_text(encoding="utf-8"))
    numbers = document["aal90_numbers_left"]
    labels = {region.network: len(region.labels) for region in load_scheme().regions}
    split = {15: 3}
    assert labels == {network: sum(split.get(n, 1) for n in listed) for network, listed in numbers.items()}


def test_a_users_scheme_may_use_codes_another_atlas_and_comments(tmp_path):
    path = scheme_file(
        tmp_path,
        "# hand area",
        "HAND_L\tHAND\tL\tdestrieux\t11129 ctx_lh_S_central",
        "HAND_R\tHAND\tR\tdestrieux\tctx_rh_G_precentral\tctx_rh_S_central",
        "",
    )
    scheme = load_scheme(path)
    assert scheme.name == "own"
    assert scheme.regions[0].labels == ("ctx_lh_G_precentral", "ctx_lh_S_central")
    weights = membership(scheme)
    atlas = destrieux_atlas().array
    sizes = {name: np.sum(atlas == PARCEL_NAMES.index(name) + 1) for name in ("rh_G_precentral", "rh_S_central")}
    expected = sizes["rh_G_precentral"] / sum(sizes.values())
    assert weights[1, PARCEL_NAMES.index("rh_G_precentral")] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "no regions"),
        ((LEFT,), "has no right region"),
        ((LEFT, LEFT, RIGHT), "repeats the region HAND_L"),
        ((LEFT, LEFT.replace("HAND_L", "HAND2_L"), RIGHT), "second L region"),
        ((LEFT.replace("Precentral_L", "Precentra_L"), RIGHT), "Line 2.*Precentra_L"),
        ((LEFT, RIGHT.replace("Precentral_R", "Precentral_L")), "Line 3.*Precentral_L is not in the right"),
        ((LEFT.replace(",Postcentral_L", ",Vermis_3"), RIGHT), "Vermis_3 is not in the left"),
        ((LEFT.replace("Postcentral_L", "Precentral_L"), RIGHT), "Precentral_L twice"),
        ((LEFT.rsplit("\t", 1)[0] + "\t", RIGHT), "Line 2.*no labels"),
        ((LEFT.rsplit("\t", 1)[0], RIGHT), "Line 2.*4 columns"),
        ((LEFT.replace("\tL\t", "\tleft\t"), RIGHT), "hemisphere 'LEFT'"),
        ((LEFT.replace("aal", "yeo"), RIGHT), "Line 2.*no atlas named 'yeo'"),
        ((LEFT, RIGHT.replace("aal", "destrieux")), "atlas 'destrieux'"),
        ((LEFT.replace("HAND_L", "../x"), RIGHT), "name '../x'"),
    ],
)
def test_a_faulty_scheme_is_refused_naming_the_line_and_a_remedy(tmp_path, lines, message):
    with pytest.raises(InputError, match=message) as caught:
        load_scheme(scheme_file(tmp_path, *lines))
    assert "own.tsv" in str(caught.value)
    assert caught.value.remedy


def test_a_scheme_of_more_regions_than_a_voxel_can_hold_is_refused(tmp_path):
    lines = [line.replace("HAND", f"HAND{number}") for number in range(32) for line in (LEFT, RIGHT)]
    assert len(load_scheme(scheme_file(tmp_path, *lines[:62])).regions) == 62
    with pytest.raises(InputError, match="has 64 regions"):
        load_scheme(scheme_file(tmp_path, *lines))


def test_an_unreadable_scheme_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_scheme(tmp_path / "absent.tsv")
    headless = tmp_path / "headless.tsv"
    headless.write_text("HAND_L,HAND,L,aal,Precentral_L\n", encoding="utf-8")
    with pytest.raises(InputError, match="header"):
        load_scheme(headless)


def test_a_region_without_cortex_is_refused(tmp_path):
    scheme = load_scheme(scheme_file(tmp_path, "DEEP_L\tDEEP\tL\taal\tPutamen_L", "DEEP_R\tDEEP\tR\taal\tPutamen_R"))
    with pytest.raises(InputError, match="too little cortex"):
        membership(scheme)
