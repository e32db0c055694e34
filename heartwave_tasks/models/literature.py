"""Literature: published figures to read a model's own beside, each with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class PublishedFigures:
    """Figures of one method under one protocol, in %; None where the source does not give them (jκ is not in %)."""

    method: str
    source: str
    protocol: str
    accuracy: float | None = None
    macro_f1: float | None = None
    s_sensitivity: float | None = None
    s_predictivity: float | None = None
    v_sensitivity: float | None = None
    v_predictivity: float | None = None
    j_kappa: float | None = None


PUBLISHED: Final = (
    PublishedFigures(
        method="HeartWaveML, CONVXGB",
        source="the project HeartWave grew from",
        protocol="random_beats",
        accuracy=98.51,
        macro_f1=92.87,
    ),
    PublishedFigures(
        method="HeartWaveML, XGBoost with features",
        source="the project HeartWave grew from",
        protocol="random_beats",
        accuracy=98.48,
        macro_f1=92.13,
    ),
    PublishedFigures(
        method="HeartWaveML, CNN and MLP",
        source="the project HeartWave grew from",
        protocol="random_beats",
        accuracy=98.48,
        macro_f1=91.51,
    ),
    PublishedFigures(
        method="HeartWaveML's features on unseen patients",
        source="measured for HeartWave with XGBoost",
        protocol="inter_patient",
        accuracy=93.2,
        macro_f1=54.6,
        s_sensitivity=1.4,
        s_predictivity=29.5,
        v_sensitivity=84.8,
        v_predictivity=88.3,
    ),
    PublishedFigures(
        method="Linear discriminants",
        source="de Chazal et al., IEEE Trans Biomed Eng 2004",
        protocol="inter_patient",
        accuracy=86.2,
        s_sensitivity=75.9,
        s_predictivity=38.5,
        v_sensitivity=77.7,
        v_predictivity=81.9,
        j_kappa=0.612,
    ),
    PublishedFigures(
        method="Ensemble of SVMs",
        source="Mondéjar-Guerra et al., Biomed Signal Process Control 2019",
        protocol="inter_patient",
        accuracy=94.5,
        s_sensitivity=78.1,
        s_predictivity=49.7,
        v_sensitivity=94.7,
        v_predictivity=93.9,
        j_kappa=0.773,
    ),
    PublishedFigures(
        method="Hierarchical weighted XGBoost",
        source="Shi et al., Comput Methods Programs Biomed 2019 (abstract)",
        protocol="inter_patient",
        s_sensitivity=91.7,
        s_predictivity=46.2,
        v_sensitivity=95.1,
        v_predictivity=88.1,
    ),
)
"""Peers whose split is known; near-perfect results that leak patients by construction are left out."""

CITATIONS: Final = (
    ("Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med Biol 20(3):45-50, 2001."),
    (
        "Goldberger AL, Amaral LAN, Glass L, Hausdorff JM, Ivanov PCh, Mark RG, Mietus JE, Moody GB, Peng CK, "
        "Stanley HE. PhysioBank, PhysioToolkit, and PhysioNet: components of a new research resource for complex "
        "physiologic signals. Circulation 101(23):e215-e220, 2000."
    ),
    (
        "ANSI/AAMI EC57:2012. Testing and reporting performance results of cardiac rhythm and ST segment "
        "measurement algorithms."
    ),
    (
        "de Chazal P, O'Dwyer M, Reilly RB. Automatic classification of heartbeats using ECG morphology and heartbeat "
        "interval features. IEEE Trans Biomed Eng 51(7):1196-1206, 2004."
    ),
    (
        "Mar T, Zaunseder S, Martínez JP, Llamedo M, Poll R. Optimization of ECG classification by means of feature "
        "selection. IEEE Trans Biomed Eng 58(8):2168-2177, 2011."
    ),
)
"""What the data, the split and the figures rest on."""
