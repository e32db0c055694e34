"""Recursive filters run forwards and backwards, a block of samples at a time instead of sample by sample.

Within a block, every output is a sum of the block's samples and of the state it began in: a product of matrices, for
all blocks of all leads at once. Only the states have to be found one after another, and those of a group of blocks are
again such sums. That takes a quarter less time than a loop in which every step waits for the answer to the last one,
and needs no `scipy.signal`, whose import takes longer than filtering ten hours of two leads.

References
----------
Burrus, Block realization of digital filters, IEEE Trans. Audio Electroacoust. 20, 230-235 (1972); Moore, Principal
component analysis in linear systems, IEEE Trans. Automat. Contr. 26, 17-32 (1981), for the states that are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from typing import Self, TypeAlias

    from numpy.typing import NDArray

    Section: TypeAlias = tuple[float, float, float, float, float]

BLOCK: Final = 16
"""Samples of a block."""

GROUP: Final = 8
"""Blocks of a group, groups of a larger one, and so on."""

_DOUBLINGS: Final = 20  # a million samples, by which nothing is left of a state
_LEVELS: Final = 6  # four million samples; the groups of more are gone through one after another


@dataclass(frozen=True)
class RecursiveFilter:
    """Second-order sections, one after the other, run without delay.

    Attributes
    ----------
    outputs
        float64 (BLOCK + n_states, BLOCK): from a block's samples, and the state it begins in, to what comes out.
    ends
        float64 (BLOCK + n_states, n_states): from the same to the state it ends in.
    settled
        float64 (n_states,): the state when nothing but ones came in for ever.
    groups
        What takes the states of a group at once, for groups of blocks, then of groups.
    """

    outputs: NDArray[np.float64]
    ends: NDArray[np.float64]
    settled: NDArray[np.float64]
    groups: tuple[_Group, ...]

    @classmethod
    def of(cls, *sections: Section) -> Self:
        """Prepare a filter whose sections are each b0, b1, b2, a1, a2 of (b0 + b1/z + b2/z²) / (1 + a1/z + a2/z²)."""
        n_states = 2 * len(sections)
        outputs, ends = _respond(sections, BLOCK)
        leaving, after_one = _respond(sections, 1)
        balanced = _balance(after_one[0], after_one[1:], leaving[1:, 0])
        settled = np.linalg.solve((np.eye(n_states) - after_one[1:]).T, after_one[0])
        ends, settled = ends @ np.linalg.inv(balanced), settled @ np.linalg.inv(balanced)
        outputs[BLOCK:], ends[BLOCK:] = balanced @ outputs[BLOCK:], balanced @ ends[BLOCK:]
        groups, across = [], ends[BLOCK:]
        for _ in range(_LEVELS):
            groups.append(_Group.of(across))
            across = np.linalg.matrix_power(across, GROUP)
        return cls(outputs, ends, settled, tuple(groups))

    def run(self, samples: NDArray[np.float64], padding: int) -> NDArray[np.float64]:
        """Filter samples (n_samples, n_leads), turned about their ends for `padding` of them, or as many as there are.

        SciPy's ``sosfiltfilt(sections, samples, axis=0, padlen=padding)`` gives the same but for rounding.
        """
        n_samples = len(samples)
        padding = min(n_samples - 1, padding)
        before = 2 * samples[:1] - samples[padding:0:-1]
        after = 2 * samples[-1:] - samples[-2 : -(padding + 2) : -1]
        there = self._forwards(np.concatenate([before, samples, after]).T)
        back = self._forwards(there[:, ::-1])[:, ::-1]
        return back.T[padding : padding + n_samples]

    def _forwards(self, leads: NDArray[np.float64]) -> NDArray[np.float64]:
        """Filter leads (n_leads, n), before which their first sample came in for ever."""
        n_leads, n = leads.shape
        whole, n_blocks = n // BLOCK, -(-n // BLOCK)
        blocks = np.zeros((n_leads, n_blocks, len(self.ends)))
        blocks[:, :whole, :BLOCK] = leads[:, : whole * BLOCK].reshape(n_leads, whole, BLOCK)
        blocks[:, whole:, : n - whole * BLOCK] = leads[:, None, whole * BLOCK :]
        added = blocks[:, :, :BLOCK] @ self.ends[:BLOCK]
        blocks[:, :, BLOCK:] = _begin(added, leads[:, :1] * self.settled, self.groups)
        filtered: NDArray[np.float64] = blocks.reshape(n_leads * n_blocks, -1) @ self.outputs
        return filtered.reshape(n_leads, -1)[:, :n]


@dataclass(frozen=True)
class _Group:
    """How the states of a group's members follow from the first one's, and from what every member adds to its own.

    Attributes
    ----------
    across
        (n_states, n_states): from the state a member begins in to what is left of it when the next one begins.
    onwards
        (n_states, GROUP n_states): from the state the first begins in to that of every member.
    within
        (GROUP n_states, GROUP n_states): from what the members add to the states of those after them.
    ends
        (GROUP n_states, n_states): from what the members add to what the group does.
    """

    across: NDArray[np.float64]
    onwards: NDArray[np.float64]
    within: NDArray[np.float64]
    ends: NDArray[np.float64]

    @classmethod
    def of(cls, across: NDArray[np.float64]) -> Self:
        powers = [np.linalg.matrix_power(across, power) for power in range(GROUP)]
        nothing = np.zeros_like(across)
        within = [
            [powers[later - member - 1] if later > member else nothing for later in range(GROUP)]
            for member in range(GROUP)
        ]
        return cls(across, np.hstack(powers), np.block(within), np.vstack(powers[::-1]))


def _begin(added: NDArray[np.float64], first: NDArray[np.float64], groups: tuple[_Group, ...]) -> NDArray[np.float64]:
    """Find the states (n_leads, n, n_states) that members begin in, of which the first one's is (n_leads, n_states).

    `added` (n_leads, n, n_states) is what each adds to the state it hands on.
    """
    n_leads, n, n_states = added.shape
    group, larger = groups[0], groups[1:]
    if n <= GROUP or not larger:
        states = np.empty_like(added)
        for member in range(n):
            states[:, member] = first
            first = first @ group.across + added[:, member]
        return states
    n_groups = -(-n // GROUP)
    padded = np.zeros((n_leads, n_groups * GROUP, n_states))
    padded[:, :n] = added
    together = padded.reshape(n_leads, n_groups, GROUP * n_states)
    states = together @ group.within
    states += _begin(together @ group.ends, first, larger) @ group.onwards
    return states.reshape(n_leads, -1, n_states)[:, :n]


def _balance(
    enters: NDArray[np.float64], stays: NDArray[np.float64], leaves: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find states (n_states, n_states), as sums of the sections' own, that are reached as easily as they are seen.

    Sections at 0.5 Hz keep differences of large numbers: in these states, rounding is a hundredth of what it is in
    theirs. `enters`, `stays` and `leaves` say what of a sample goes into the states, what of them is left after it, and
    what of them comes out.
    """
    reached, seen = np.outer(enters, enters), np.outer(leaves, leaves)
    for _ in range(_DOUBLINGS):
        reached, seen, stays = reached + stays.T @ reached @ stays, seen + stays @ seen @ stays.T, stays @ stays
    own = np.linalg.cholesky(reached)
    turned, strengths, _ = np.linalg.svd(own.T @ np.linalg.cholesky(seen))
    states: NDArray[np.float64] = (own @ turned / np.sqrt(strengths)).T
    return states


def _respond(sections: tuple[Section, ...], n_samples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Answers to an impulse at each of `n_samples`, then to each of the states: what comes out, and the state then.

    The sections are worked through as written down, in direct form II transposed.
    """
    n_states = 2 * len(sections)
    coming = np.vstack([np.eye(n_samples), np.zeros((n_states, n_samples))])
    states = np.vstack([np.zeros((n_samples, n_states)), np.eye(n_states)])
    outputs = np.empty_like(coming)
    for sample in range(n_samples):
        value = coming[:, sample]
        for place, (b0, b1, b2, a1, a2) in enumerate(sections):
            before, value = value, b0 * value + states[:, 2 * place]
            states[:, 2 * place] = b1 * before - a1 * value + states[:, 2 * place + 1]
            states[:, 2 * place + 1] = b2 * before - a2 * value
        outputs[:, sample] = value
    return outputs, states
