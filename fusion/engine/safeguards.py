"""Prediction sets and out-of-domain flags of a classifier: calibrated on validation, measured on test, used anywhere.

The temperature and the choice of the checkpoint have seen the same validation samples. Both are few numbers, but
strictly the promise of coverage is for samples that nothing was chosen by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusion import conformal, out_of_domain
from fusion.bootstrap import estimate_ratios
from fusion.conformal import Calibration
from fusion.engine.symmetries import Array
from fusion.errors import BadInputError, SpecError
from fusion.run import EvaluateSpec, OutOfDomain, PredictSpec

LISTED = 50  # outliers named in a report
SAME = 1e-4  # energies that differ by less tell nothing


@dataclass(frozen=True, kw_only=True)
class Safeguards:
    """Thresholds from validation; None where they are not asked for or could not be found, which `notes` say."""

    sets: Calibration | None = None
    method: OutOfDomain = "none"
    threshold: float | None = None
    notes: Mapping[str, str]

    def apply(self, shares: Array, strangeness: Array | None) -> dict[str, Array]:
        """What they say of samples, from probabilities [n, k] and how strange they are to the ensemble [n].

        `set` [n, k] is True for the classes of the prediction set, `out_of_domain` [n] grows with strangeness,
        `is_outlier` [n] is True above the threshold.
        """
        found: dict[str, Array] = {}
        if self.sets is not None:
            found["set"] = conformal.predict_sets(shares, self.sets)
        if self.threshold is not None and strangeness is not None:
            found["out_of_domain"] = strangeness
            found["is_outlier"] = strangeness > self.threshold
        return found


def calibrate(
    spec: EvaluateSpec, shares: Array, strangeness: Array | None, truth: Array, cities: Sequence[str | None]
) -> Safeguards:
    """Thresholds from the validation samples; what cannot be calibrated is left out, and said.

    `strangeness` is None where nothing could measure it.
    """
    notes: dict[str, str] = {}
    sets, threshold = None, None
    if spec.conformal:
        groups = [city or "" for city in cities] if spec.conformal_by == "city" else None
        try:
            sets = conformal.calibrate(shares, truth, spec.conformal, method=spec.conformal_method, groups=groups)
            notes["conformal"] = sets.note
        except BadInputError as error:
            notes["conformal"] = f"No prediction sets: {error}"
    if spec.out_of_domain != "none" and strangeness is not None:
        try:
            threshold = _find_threshold(strangeness)
        except BadInputError as error:
            notes["out_of_domain"] = f"No out-of-domain score: {error}"
    return Safeguards(sets=sets, method=spec.out_of_domain, threshold=threshold, notes=notes)


def _find_threshold(scores: Array) -> float:
    if len(scores) and np.ptp(scores) < SAME:
        raise BadInputError(
            "it is the same for all samples, as for a network that gives logarithms of probabilities "
            "(network.multi_level). Train one that gives logits, or use neighbours."
        )
    return out_of_domain.find_threshold(scores)


def describe_sets(guards: Safeguards, spec: EvaluateSpec, measured: Mapping[str, Any] | None) -> dict[str, Any]:
    """The report's field `conformal`; `measured` are the sets of the test split (fusion.conformal.measure_sets)."""
    if not spec.conformal:
        return {}
    found: dict[str, Any] = {"coverage": spec.conformal, "method": spec.conformal_method, "by": spec.conformal_by}
    if guards.sets is not None:
        own = {"threshold": guards.sets.threshold, "samples": guards.sets.samples, "groups": guards.sets.groups}
        found |= {**own, "tied": guards.sets.tied, "calibrated_on": "validation", "test": measured}
    return {**found, "note": guards.notes.get("conformal", "")}


def describe_outliers(
    guards: Safeguards,
    spec: EvaluateSpec,
    scores: Mapping[str, Array],
    blocks: Sequence[str],
    is_strange: Array | None,
    is_evidential: bool,
) -> dict[str, Any]:
    """The report's field `out_of_domain` from strangeness by split; `is_strange` marks test samples of new classes.

    `source` says what is compared: features, logits, or logits taught to be evidence (objective `evidential`).
    """
    if spec.out_of_domain == "none":
        return {}
    source = "features" if spec.out_of_domain == "neighbours" else "evidence" if is_evidential else "logits"
    found: dict[str, Any] = {"method": spec.out_of_domain, "source": source, "in_domain": out_of_domain.IN_DOMAIN}
    found["note"] = guards.notes.get("out_of_domain", "")
    if guards.threshold is None:
        return found
    found |= {"threshold": guards.threshold, "calibrated_on": "validation"}
    found["histogram"] = out_of_domain.count_scores({name: values for name, values in scores.items() if len(values)})
    test = scores.get("test", np.zeros(0))
    if not len(test):
        return found
    words = {"seed": spec.seed, "resamples": spec.resamples}
    above = (test > guards.threshold)[:, None]
    [found["flagged"]] = estimate_ratios(above, None, blocks, **words)
    found["flagged"] |= {"n": len(test)}
    if is_strange is not None and 0 < is_strange.sum() < len(test):
        own = np.asarray(blocks, dtype=object)
        found["unseen_classes"] = {
            "n": int(is_strange.sum()),
            "auroc": out_of_domain.measure_separation(
                test[~is_strange], test[is_strange], known_blocks=own[~is_strange], strange_blocks=own[is_strange],
                **words,
            ),
        }  # fmt: skip
    return found


def list_outliers(scores: Array, threshold: float, columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The strangest flagged samples, ready for JSON, with what `columns` say of each."""
    order = np.argsort(-scores, kind="stable")[: min(LISTED, int((scores > threshold).sum()))]
    return [{"score": float(scores[row]), **{name: values[row] for name, values in columns.items()}} for row in order]


def read_safeguards(spec: PredictSpec, report: Mapping[str, Any], answers: int) -> Safeguards:
    """Thresholds from the report in the folder that a prediction names; SpecError where it states none that fit.

    `answers` is how many are averaged: thresholds are for the ensemble that they were calibrated with.
    """
    if not spec.conformal and spec.out_of_domain == "none":
        return Safeguards(notes={})
    known = report.get("uncertainty", {}).get("answers")
    if known != answers:
        raise SpecError(
            f"conformal, out_of_domain: the report of {spec.checkpoint} is of {known or 'no'} averaged answers, and "
            f"{answers} are asked for. Evaluate this very ensemble first, and name that evaluation's folder."
        )
    heat = report.get("calibration", {}).get("temperature", 1.0)
    if spec.conformal and spec.temperature not in (None, heat):
        raise SpecError(
            f"temperature: the sets of {spec.checkpoint} were calibrated under {heat:.4g}, not {spec.temperature:.4g}. "
            "Leave it out, or evaluate anew."
        )
    return Safeguards(
        sets=_read_sets(spec, report.get("conformal", {})),
        method=spec.out_of_domain,
        threshold=_read_threshold(spec, report.get("out_of_domain", {})),
        notes={},
    )


def _read_sets(spec: PredictSpec, found: Mapping[str, Any]) -> Calibration | None:
    if not spec.conformal:
        return None
    if "threshold" not in found or found["coverage"] != spec.conformal:
        raise SpecError(
            f"conformal: the report of {spec.checkpoint} was calibrated for {found.get('coverage', 'no')} coverage, "
            f"not {spec.conformal}. Evaluate it with this coverage, and name that evaluation's folder."
        )
    names = ("method", "coverage", "threshold", "samples", "groups", "tied")
    return Calibration(**{name: found[name] for name in names})


def _read_threshold(spec: PredictSpec, found: Mapping[str, Any]) -> float | None:
    if spec.out_of_domain == "none":
        return None
    if "threshold" not in found or found["method"] != spec.out_of_domain:
        raise SpecError(
            f"out_of_domain: the report of {spec.checkpoint} has no threshold of {spec.out_of_domain!r}. "
            "Evaluate it with this score, and name that evaluation's folder."
        )
    return float(found["threshold"])
