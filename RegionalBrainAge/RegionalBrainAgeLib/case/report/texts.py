"""What the report says in words: names of networks, calibration, limits, how to cite."""

from __future__ import annotations

NETWORK_NAMES = {
    "SMN": "Sensorimotor",
    "FPN": "Frontoparietal",
    "DAN": "Dorsal attention",
    "VAN": "Ventral attention and language",
    "SAL": "Salience",
    "DMN": "Default mode",
    "AUD": "Auditory",
    "VIS": "Visual",
    "LIM": "Limbic",
}
SIDE_NAMES = {"L": "left", "R": "right", "bilateral": "both hemispheres", "none": "none"}
ABBREVIATIONS = (
    ("PAD", "predicted age difference: brain age minus age"),
    ("deviation", "age of a region minus that of the brain it lies in, less what is usual in health"),
    ("healthy range", "where 90 % of healthy people of that age lie"),
    ("ipsi, contra", "on the side of the lesion, on the other side"),
    ("CST", "corticospinal tract"),
)
UNCALIBRATED = "Not calibrated to this scanner"
CALIBRATED = "Calibrated with local controls"
CALIBRATION = {
    "none": (
        "A scanner the model has never seen can shift all ages together; shifts of 10 to 35 years have been reported. "
        "Only comparisons within this patient are safe to read, side against side and region against the whole brain, "
        "and only beside the healthy range given for them. Do not compare these ages with other people's."
    ),
    "local": (
        "The offset of this scanner was estimated from local healthy people. The fewer they were, the more of a shift "
        "common to all regions may remain; comparisons within this patient do not depend on it."
    ),
}
LIMITS = (
    "A predicted age difference (PAD) is the model's age for a region minus the patient's age. The corrected PAD has "
    "the model's own pull towards the middle age removed; corrected ages look good whatever a model is worth, so judge "
    "the model by the raw errors in its model card.",
    "A healthy range holds 90 % of healthy people of that age: in health, one number in ten lies outside its own. The "
    "numbers of one brain go together, so some healthy people have many outside; the answer says how many do. One "
    "person's number outside its range is a reason to look, not a finding.",
    "The age of a brain also uses ventricles, deep structures and all grey matter: it is not the mean of the regions. "
    "With a lesion on one side it is that of the other hemisphere and the midline; the lesioned side is read apart, "
    "so its ranges are wider. Ages in the report have the age bias taken off, those in regions.tsv have not.",
    "An ipsilesional region is estimated from what the lesion left of it and from its neighbours. Where too much is "
    "lost the region is called not estimable instead.",
    "For registration and for the surfaces beside it the lesion is filled with tissue of the mirrored hemisphere, so "
    "what surrounds the lesion is not quite independent of its mirror. No thickness inside the lesion or within "
    "3 mm of it counts.",
    "The built-in corticospinal tract is made of anatomical labels and agrees moderately with tractography. "
    "Its loads rank lesions; they do not count fibres.",
    "Brain age has not been shown to predict recovery better than grey-matter volume or lesion size. It says nothing "
    "about what causes a difference.",
    "The nine networks by two hemispheres follow public label lists of the study this software reproduces; that the "
    "study's 18 regions are exactly these is inferred. They overlap: pictures show the first region of the scheme, "
    "loads use every region's full extent.",
)
CITATION = (
    "Cite this software by its name and version, the model by its name and checksum, and Zhu et al. 2010 (Stroke) for "
    "the load weighted by the tract's cross-section."
)
