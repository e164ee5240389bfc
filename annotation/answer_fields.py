"""What several voters said beside the class: one value per sample of each further field of a question.

Each value stands in a small table, ready for JSON: `value`, `votes` that it rests on, and `agreement`, the share of
them that say it. A box adds `found` (how many drew it) and `iou` (their mean overlap with it), a choice `counts`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from annotation import consensus
from annotation.box_sets import BoxSets, BoxVotes
from annotation.fields import AnswerField, is_answer
from annotation.votes import from_records

Said = tuple[int, str, Mapping[str, Any]]  # sample, voter, and what the answer holds beside the class
Found = dict[str, Any]
DIGITS = 4


def conclude_fields(fields: Sequence[AnswerField], said: Sequence[Said]) -> dict[int, dict[str, Found]]:
    """For each sample that has an answer: each field by its name. One answer per voter and sample."""
    found: dict[int, dict[str, Found]] = {sample: {} for sample, _, _ in said}
    for field in fields if said else ():
        for sample, value in _CONCLUDE[field.kind](field, said).items():
            found[sample][field.name] = value
    return found


def _conclude_boxes(field: AnswerField, said: Sequence[Said]) -> dict[int, Found]:
    """Matched boxes: a box that more than half drew, at its median; who drew none says that there is none to draw."""
    samples, voters = sorted({sample for sample, _, _ in said}), sorted({voter for _, voter, _ in said})
    drawn = [(ballot, extra[field.name]) for ballot, (_, _, extra) in enumerate(said) if _has(field, extra)]
    votes = BoxVotes(
        sample=_places([sample for sample, _, _ in said], samples),
        voter=_places([voter for _, voter, _ in said], voters),
        sample_ids=tuple(samples),
        voter_ids=tuple(voters),
        boxes=np.array([box for _, box in drawn], np.float32).reshape(-1, 4),
        ballot=np.array([ballot for ballot, _ in drawn], np.int32),
    )
    result: BoxSets = consensus.find("boxes").aggregate(votes)
    drew = np.bincount(votes.sample[votes.ballot], minlength=len(samples))
    told = {
        sample: _tell_no_box(int(count), int(boxes))
        for sample, count, boxes in zip(samples, result.votes, drew, strict=True)
    }
    for place in np.flatnonzero(result.is_kept).tolist():
        told[samples[result.sample[place]]] = _tell_box(result, place)
    return told


def _tell_no_box(votes: int, drew: int) -> Found:
    """`found` is how many drew a box at all: each another one, or too few of them the same."""
    return {
        "value": None,
        "votes": votes,
        "found": drew,
        "agreement": round((votes - drew) / votes, DIGITS),
        "iou": None,
    }


def _tell_box(result: BoxSets, place: int) -> Found:
    votes, share = int(result.votes[result.sample[place]]), float(result.probability[place])
    return {
        "value": [round(float(corner), DIGITS) for corner in result.boxes[place]],
        "votes": votes,
        "found": round(share * votes),
        "agreement": round(share, DIGITS),
        "iou": round(float(result.iou[place]), DIGITS),
    }


def _conclude_choices(field: AnswerField, said: Sequence[Said]) -> dict[int, Found]:
    """The majority of those who chose; no value on a tie, or where nobody chose."""
    codes = [option.code for option in field.options]
    chosen = [(sample, voter, extra[field.name]) for sample, voter, extra in said if _has(field, extra)]
    told: dict[int, Found] = {
        sample: {"value": None, "votes": 0, "agreement": None, "counts": {}} for sample, _, _ in said
    }
    if not chosen:
        return told
    votes = from_records(*(list(column) for column in zip(*chosen, strict=True)), codes=codes)
    top, counts = votes.counts().max(1), votes.counts()
    for place, sample in enumerate(votes.sample_ids):
        row = counts[place]
        named, total = np.flatnonzero(row == top[place]), int(row.sum())
        told[sample] = {
            "value": codes[named[0]] if len(named) == 1 else None,
            "votes": total,
            "agreement": round(int(top[place]) / total, DIGITS),
            "counts": {codes[code]: int(row[code]) for code in np.flatnonzero(row)},
        }
    return told


def _has(field: AnswerField, extra: Mapping[str, Any]) -> bool:
    """Whether the field has an answer; one that an older form of the question allowed counts as none."""
    return field.name in extra and is_answer(field, extra[field.name])


def _places(ids: Sequence[Any], known: Sequence[Any]) -> np.ndarray:
    index = {one: place for place, one in enumerate(known)}
    return np.array([index[one] for one in ids], np.int32)


_CONCLUDE = {"box": _conclude_boxes, "choice": _conclude_choices}
