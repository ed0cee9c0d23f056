"""The papers that methods texts cite, as BibTeX and as lines of a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A journal paper.

    Parameters
    ----------
    authors : as in BibTeX, "Family, Given and ...".
    place : volume and pages, or the article's number.
    """

    authors: str
    year: int
    title: str
    journal: str
    place: str = ""
    doi: str = ""

    def line(self) -> str:
        """The reference as one line of a list."""
        names = self.authors.replace(" and others", ", et al.").replace(" and ", "; ")
        where = f"{self.journal} {self.place}".strip()
        doi = f" https://doi.org/{self.doi}" if self.doi else ""
        return f"{names}. {self.title}. {where}, {self.year}.{doi}"

    def bibtex(self, key: str) -> str:
        """The reference as a BibTeX entry."""
        fields = {
            "author": self.authors,
            "title": "{" + self.title + "}",
            "journal": self.journal,
            "year": str(self.year),
            "note": self.place,
            "doi": self.doi,
        }
        body = ",\n".join(f"  {name} = {{{text}}}" for name, text in fields.items() if text)
        return f"@article{{{key},\n{body}\n}}"


REFERENCES = {
    "park2026": Reference(
        "Park, Gilsoon and others",
        2026,
        "Associations between contralesional neuroplasticity and motor impairment through deep learning-derived MRI "
        "regional brain age in chronic stroke (ENIGMA)",
        "Lancet Digital Health",
    ),
    "fisch2024": Reference(
        "Fisch, Lukas and others",
        2024,
        "deepbet: Fast brain extraction of T1-weighted MRI using convolutional neural networks",
        "Computers in Biology and Medicine",
        "179: 108845",
        "10.1016/j.compbiomed.2024.108845",
    ),
    "tustison2010": Reference(
        "Tustison, Nicholas J. and others",
        2010,
        "N4ITK: Improved N3 bias correction",
        "IEEE Transactions on Medical Imaging",
        "29: 1310-1320",
        "10.1109/TMI.2010.2046908",
    ),
    "coupe2008": Reference(
        "Coupé, Pierrick and others",
        2008,
        "An optimized blockwise nonlocal means denoising filter for 3-D magnetic resonance images",
        "IEEE Transactions on Medical Imaging",
        "27: 425-441",
        "10.1109/TMI.2007.906087",
    ),
    "avants2008": Reference(
        "Avants, Brian B. and Epstein, Charles L. and Grossman, Murray and Gee, James C.",
        2008,
        "Symmetric diffeomorphic image registration with cross-correlation",
        "Medical Image Analysis",
        "12: 26-41",
        "10.1016/j.media.2007.06.004",
    ),
    "nachev2008": Reference(
        "Nachev, Parashkev and Coulthard, Elizabeth and Jäger, H. Rolf and Kennard, Christopher and Husain, Masud",
        2008,
        "Enantiomorphic normalization of focally lesioned brains",
        "NeuroImage",
        "39: 1215-1226",
        "10.1016/j.neuroimage.2007.10.002",
    ),
    "fonov2011": Reference(
        "Fonov, Vladimir and others",
        2011,
        "Unbiased average age-appropriate atlases for pediatric studies",
        "NeuroImage",
        "54: 313-327",
        "10.1016/j.neuroimage.2010.07.033",
    ),
    "dahnke2013": Reference(
        "Dahnke, Robert and Yotter, Rachel Aine and Gaser, Christian",
        2013,
        "Cortical thickness and central surface estimation",
        "NeuroImage",
        "65: 336-348",
        "10.1016/j.neuroimage.2012.09.050",
    ),
    "aganj2009": Reference(
        "Aganj, Iman and Sapiro, Guillermo and Parikshak, Neelroop and Madsen, Sarah K. and Thompson, Paul M.",
        2009,
        "Measurement of cortical thickness from MRI by minimum line integrals on soft-classified tissue",
        "Human Brain Mapping",
        "30: 3188-3199",
        "10.1002/hbm.20740",
    ),
    "cicek2016": Reference(
        "Çiçek, Özgün and Abdulkadir, Ahmed and Lienkamp, Soeren S. and Brox, Thomas and Ronneberger, Olaf",
        2016,
        "3D U-Net: Learning dense volumetric segmentation from sparse annotation",
        "Medical Image Computing and Computer-Assisted Intervention",
        "9901: 424-432",
        "10.1007/978-3-319-46723-8_49",
    ),
    "fischl2012": Reference(
        "Fischl, Bruce", 2012, "FreeSurfer", "NeuroImage", "62: 774-781", "10.1016/j.neuroimage.2012.01.021"
    ),
    "destrieux2010": Reference(
        "Destrieux, Christophe and Fischl, Bruce and Dale, Anders and Halgren, Eric",
        2010,
        "Automatic parcellation of human cortical gyri and sulci using standard anatomical nomenclature",
        "NeuroImage",
        "53: 1-15",
        "10.1016/j.neuroimage.2010.06.010",
    ),
    "rolls2015": Reference(
        "Rolls, Edmund T. and Joliot, Marc and Tzourio-Mazoyer, Nathalie",
        2015,
        "Implementation of a new parcellation of the orbitofrontal cortex in the automated anatomical labeling atlas",
        "NeuroImage",
        "122: 1-5",
        "10.1016/j.neuroimage.2015.07.075",
    ),
    "oishi2009": Reference(
        "Oishi, Kenichi and others",
        2009,
        "Atlas-based whole brain white matter analysis using large deformation diffeomorphic metric mapping",
        "NeuroImage",
        "46: 486-499",
        "10.1016/j.neuroimage.2009.01.002",
    ),
    "zhu2010": Reference(
        "Zhu, Lin L. and Lindenberg, Robert and Alexander, Michael P. and Schlaug, Gottfried",
        2010,
        "Lesion load of the corticospinal tract predicts motor impairment in chronic stroke",
        "Stroke",
        "41: 910-915",
        "10.1161/STROKEAHA.109.577023",
    ),
    "rutherford2022": Reference(
        "Rutherford, Saige and others",
        2022,
        "Charting brain growth and aging at high spatial precision",
        "eLife",
        "11: e72904",
        "10.7554/eLife.72904",
    ),
    "delange2020": Reference(
        "de Lange, Ann-Marie G. and Cole, James H.",
        2020,
        "Commentary: Correction procedures in brain-age prediction",
        "NeuroImage: Clinical",
        "26: 102229",
        "10.1016/j.nicl.2020.102229",
    ),
    "bates2015": Reference(
        "Bates, Douglas and Mächler, Martin and Bolker, Ben and Walker, Steve",
        2015,
        "Fitting linear mixed-effects models using lme4",
        "Journal of Statistical Software",
        "67(1): 1-48",
        "10.18637/jss.v067.i01",
    ),
    "kuznetsova2017": Reference(
        "Kuznetsova, Alexandra and Brockhoff, Per B. and Christensen, Rune H. B.",
        2017,
        "lmerTest package: Tests in linear mixed effects models",
        "Journal of Statistical Software",
        "82(13): 1-26",
        "10.18637/jss.v082.i13",
    ),
    "benjamini1995": Reference(
        "Benjamini, Yoav and Hochberg, Yosef",
        1995,
        "Controlling the false discovery rate: A practical and powerful approach to multiple testing",
        "Journal of the Royal Statistical Society B",
        "57: 289-300",
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "rosseel2012": Reference(
        "Rosseel, Yves",
        2012,
        "lavaan: An R package for structural equation modeling",
        "Journal of Statistical Software",
        "48(2): 1-36",
        "10.18637/jss.v048.i02",
    ),
    "pedregosa2011": Reference(
        "Pedregosa, Fabian and others",
        2011,
        "Scikit-learn: Machine learning in Python",
        "Journal of Machine Learning Research",
        "12: 2825-2830",
    ),
    "seabold2010": Reference(
        "Seabold, Skipper and Perktold, Josef",
        2010,
        "statsmodels: Econometric and statistical modeling with Python",
        "Proceedings of the 9th Python in Science Conference",
        "92-96",
    ),
    "igolkina2020": Reference(
        "Igolkina, Anna A. and Meshcheryakov, Georgy",
        2020,
        "semopy: A Python package for structural equation modeling",
        "Structural Equation Modeling",
        "27(6): 952-963",
        "10.1080/10705511.2019.1704289",
    ),
    "obuchowski1997": Reference(
        "Obuchowski, Nancy A.",
        1997,
        "Nonparametric analysis of clustered ROC curve data",
        "Biometrics",
        "53: 567-578",
        "10.2307/2533958",
    ),
    "vickers2006": Reference(
        "Vickers, Andrew J. and Elkin, Elena B.",
        2006,
        "Decision curve analysis: A novel method for evaluating prediction models",
        "Medical Decision Making",
        "26: 565-574",
        "10.1177/0272989X06295361",
    ),
    "delong1988": Reference(
        "DeLong, Elizabeth R. and DeLong, David M. and Clarke-Pearson, Daniel L.",
        1988,
        "Comparing the areas under two or more correlated receiver operating characteristic curves: A nonparametric "
        "approach",
        "Biometrics",
        "44: 837-845",
        "10.2307/2531595",
    ),
}


def reference_lines(keys: Iterable[str]) -> list[str]:
    """The papers with these keys as lines of a list, by first author."""
    return sorted(REFERENCES[key].line() for key in dict.fromkeys(keys))


def bibtex(keys: Iterable[str]) -> str:
    """The papers with these keys as a BibTeX file."""
    return "\n\n".join(REFERENCES[key].bibtex(key) for key in sorted(dict.fromkeys(keys))) + "\n"
