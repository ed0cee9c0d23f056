"""The 148 cortical parcels of Destrieux: the nodes of the brain graph."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..imaging.image import Image
from .atlases import load_atlas

# Destrieux, Fischl, Dale & Halgren 2010, in the order of FreeSurfer's aparc.a2009s; "Medial_wall" (42) is no cortex.
_GYRI_AND_SULCI = (
    "G_and_S_frontomargin",
    "G_and_S_occipital_inf",
    "G_and_S_paracentral",
    "G_and_S_subcentral",
    "G_and_S_transv_frontopol",
    "G_and_S_cingul-Ant",
    "G_and_S_cingul-Mid-Ant",
    "G_and_S_cingul-Mid-Post",
    "G_cingul-Post-dorsal",
    "G_cingul-Post-ventral",
    "G_cuneus",
    "G_front_inf-Opercular",
    "G_front_inf-Orbital",
    "G_front_inf-Triangul",
    "G_front_middle",
    "G_front_sup",
    "G_Ins_lg_and_S_cent_ins",
    "G_insular_short",
    "G_occipital_middle",
    "G_occipital_sup",
    "G_oc-temp_lat-fusifor",
    "G_oc-temp_med-Lingual",
    "G_oc-temp_med-Parahip",
    "G_orbital",
    "G_pariet_inf-Angular",
    "G_pariet_inf-Supramar",
    "G_parietal_sup",
    "G_postcentral",
    "G_precentral",
    "G_precuneus",
    "G_rectus",
    "G_subcallosal",
    "G_temp_sup-G_T_transv",
    "G_temp_sup-Lateral",
    "G_temp_sup-Plan_polar",
    "G_temp_sup-Plan_tempo",
    "G_temporal_inf",
    "G_temporal_middle",
    "Lat_Fis-ant-Horizont",
    "Lat_Fis-ant-Vertical",
    "Lat_Fis-post",
    "Pole_occipital",
    "Pole_temporal",
    "S_calcarine",
    "S_central",
    "S_cingul-Marginalis",
    "S_circular_insula_ant",
    "S_circular_insula_inf",
    "S_circular_insula_sup",
    "S_collat_transv_ant",
    "S_collat_transv_post",
    "S_front_inf",
    "S_front_middle",
    "S_front_sup",
    "S_interm_prim-Jensen",
    "S_intrapariet_and_P_trans",
    "S_oc_middle_and_Lunatus",
    "S_oc_sup_and_transversal",
    "S_occipital_ant",
    "S_oc-temp_lat",
    "S_oc-temp_med_and_Lingual",
    "S_orbital_lateral",
    "S_orbital_med-olfact",
    "S_orbital-H_Shaped",
    "S_parieto_occipital",
    "S_pericallosal",
    "S_postcentral",
    "S_precentral-inf-part",
    "S_precentral-sup-part",
    "S_suborbital",
    "S_subparietal",
    "S_temporal_inf",
    "S_temporal_sup",
    "S_temporal_transverse",
)
PARCEL_NAMES: tuple[str, ...] = tuple(f"{side}_{name}" for side in ("lh", "rh") for name in _GYRI_AND_SULCI)
PARCELS_PER_HEMISPHERE = len(_GYRI_AND_SULCI)


@lru_cache(maxsize=1)
def destrieux_atlas() -> Image:
    """Parcel volume in MNI (2009c) space, 1 mm, int16: index in `PARCEL_NAMES` plus one, 0 where there is no cortex.

    Labels 1..74 are left, 75..148 right. Medial wall, white matter and deep nuclei are 0.
    """
    atlas = load_atlas("destrieux")
    label_of_code = np.zeros(int(atlas.labels.array.max()) + 1, dtype=np.int16)
    for label, name in enumerate(PARCEL_NAMES, start=1):
        label_of_code[atlas.codes[f"ctx_{name}"]] = label
    array = label_of_code[atlas.labels.array]
    array.flags.writeable = False
    return Image(array, atlas.labels.ras_from_ijk)
