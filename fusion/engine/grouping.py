"""Scores by city and by culture zone, and whether cities of the test were trained in: the default protocol."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fusion.bootstrap import Interval, estimate_ratios
from fusion.engine.answers import Answers, take, take_blocks
from fusion.engine.head import Head
from fusion.engine.symmetries import Array
from fusion.pack import Pack
from fusion.run import EvaluateSpec

GROUPS = {"city": "cities", "culture_zone": "culture zones"}
NAMED = 3  # shared groups told in the sentence


def list_groups(pack: Pack, column: str, split: str) -> set[str]:
    """Names of the cities or culture zones that a split has samples of."""
    return {name for name in take(pack, column, pack.indices(split)) if name}


def describe_protocol(pack: Pack, is_own_pack: bool) -> dict[str, Any]:
    """What the test split shares with the train split, in facts and in one sentence.

    `is_unseen` is None where it cannot be known: the pack does not say, or the network was taught with another.
    """
    if not is_own_pack:
        return {"is_unseen": None, "sentence": "Tested on another pack than it was trained on."}
    found: dict[str, Any] = {}
    for column in GROUPS:
        train, test = (list_groups(pack, column, split) for split in ("train", "test"))
        found[column] = {"train": len(train), "test": len(test), "shared": sorted(train & test)}
    if not found["city"]["train"] or not found["city"]["test"]:
        return {**found, "is_unseen": None, "sentence": "The samples' cities are not known."}
    shared = found["city"]["shared"]
    return {**found, "is_unseen": not shared, "sentence": _write_sentence(found, shared)}


def _write_sentence(found: Mapping[str, Any], shared: Sequence[str]) -> str:
    count = found["city"]["test"]
    if shared:
        names = ", ".join(shared[:NAMED]) + (f" and {len(shared) - NAMED} more" if len(shared) > NAMED else "")
        return f"Tested in cities it was trained in: {names}."
    cities = "one city" if count == 1 else f"{count} cities"
    own = found["culture_zone"]
    zones = ", of culture zones it never saw" if own["test"] and not own["shared"] else ""
    return f"Tested in {cities} it was not trained in{zones}."


def score_groups(
    head: Head, answers: Answers, pack: Pack, spec: EvaluateSpec, metric: str, flags: Mapping[str, Array]
) -> dict[str, Any]:
    """By `city` and `culture_zone`: a row per group with the metric and shares of `flags` [n], and their mean.

    A mean is over groups, each counting alike, with the interval from drawing groups; it is given for `spec.by`.
    """
    if spec.by == "none" or not len(answers):
        return {}
    found: dict[str, Any] = {}
    for column in GROUPS:
        names = [_name_batch(pack, column, rows) for rows in answers.batches]
        if not any(names):
            continue
        trained = list_groups(pack, column, "train")
        rows = [
            _score_group(head, answers, pack, spec, metric, flags, name, [own == name for own in names])
            | {"is_trained_in": name in trained}
            for name in sorted(set(names))
        ]
        found[column] = {"rows": rows, "mean": average_groups(rows, spec) if column == spec.by else None}
    return found


def average_groups(rows: Sequence[Mapping[str, Any]], spec: EvaluateSpec) -> dict[str, Any]:
    """Mean of the groups' values with the interval from drawing groups; no interval of one group."""
    values = [row["value"] for row in rows if row["value"] is not None]
    if not values:
        return {"value": None, "low": None, "high": None, "n": 0}
    words = {"seed": spec.seed, "resamples": spec.resamples}
    [mean] = estimate_ratios(np.array(values)[:, None], None, np.arange(len(values)), **words)
    return {**mean, "n": len(values)}


def _name_batch(pack: Pack, column: str, rows: Array) -> str:
    """The group of a batch: batches lie in one city, and a city in one culture zone (the most frequent, if not)."""
    names = [name or "" for name in take(pack, column, rows)]
    return max(sorted(set(names)), key=names.count)


def _score_group(
    head: Head,
    answers: Answers,
    pack: Pack,
    spec: EvaluateSpec,
    metric: str,
    flags: Mapping[str, Array],
    name: str,
    is_own: Sequence[bool],
) -> dict[str, Any]:
    rows = np.concatenate([part for part, own in zip(answers.batches, is_own, strict=True) if own])
    places = np.repeat(is_own, [len(part) for part in answers.batches])
    evidence = [part for part, own in zip(answers.evidence, is_own, strict=True) if own]
    blocks = take_blocks(pack, rows)
    scores = head.score(evidence, blocks, spec.seed, spec.resamples)
    interval: Interval = scores[metric]
    words = {"seed": spec.seed, "resamples": spec.resamples}
    shares = {key: estimate_ratios(values[places][:, None], None, blocks, **words)[0] for key, values in flags.items()}
    return {"name": name, "n": len(rows), "blocks": len(set(blocks)), **interval, **shares}
