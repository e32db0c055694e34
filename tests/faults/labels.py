"""Labels row for row, free of surrogate keys, and what of them is lost, doubled or wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_ROWS: Final = """
    SELECT v.recording_id, v.content_sha256, m.version, l.r_peak_sample, l.time_s, l.class::text, l.confidence,
        l.p_n, l.p_s, l.p_v, l.p_f, l.p_q, l.rr_previous_s, l.rr_next_s, l.reference::text
    FROM heartwave.labels AS l
    LEFT JOIN heartwave.recording_revisions AS v USING (revision_id)
    LEFT JOIN heartwave.model_versions AS m USING (model_version_id)
"""
_LEDGER: Final = """
    SELECT v.recording_id, v.content_sha256, m.version, s.n_labels, s.labels_sha256
    FROM heartwave.scorings AS s
    JOIN heartwave.recording_revisions AS v USING (revision_id)
    JOIN heartwave.model_versions AS m USING (model_version_id)
"""

Key = tuple[str, str, int]
"""Recording, content, model version: what is labelled exactly once."""


@dataclass(frozen=True)
class Labels:
    """Every label there is, and the ledger, by what was labelled."""

    rows: Mapping[Key, Counter[tuple[Any, ...]]]
    ledger: Mapping[Key, tuple[Any, ...]]


@dataclass(frozen=True)
class Comparison:
    """What is there against what should be; `wrong` counts lines of the ledger."""

    lost: int
    doubled: int
    wrong: int
    n_labels: int

    @property
    def same(self) -> bool:
        """Whether every label is there once, row for row."""
        return not (self.lost or self.doubled or self.wrong)

    @property
    def verdict(self) -> str:
        """The same in words."""
        return "same" if self.same else f"LOST {self.lost}, DOUBLED {self.doubled}, LEDGER {self.wrong}"


def read(execute: Callable[[str], list[tuple[Any, ...]]]) -> Labels:
    """Read every label and the ledger."""
    rows: dict[Key, Counter[tuple[Any, ...]]] = {}
    for row in execute(_ROWS):
        rows.setdefault((row[0], row[1], row[2]), Counter())[row[3:]] += 1
    return Labels(rows, {(row[0], row[1], row[2]): row[3:] for row in execute(_LEDGER)})


def compare(found: Labels, expected: Labels, needed: Collection[Key], allowed: Collection[Key]) -> Comparison:
    """Compare row for row: what is needed has to be there, what is allowed may be, but then wholly."""
    lost = doubled = wrong = 0
    for key in {*needed, *found.rows, *found.ledger}:
        there = found.rows.get(key, Counter())
        should = expected.rows[key] if key in needed or (key in allowed and there) else Counter[tuple[Any, ...]]()
        lost += (should - there).total()
        doubled += (there - should).total()
        wrong += found.ledger.get(key) != (expected.ledger[key] if should else None)
    return Comparison(lost, doubled, wrong, sum(rows.total() for rows in found.rows.values()))
