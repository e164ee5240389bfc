"""One ensemble judged on one pack: every score, doubt, threshold and table of a report."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from fusion import baseline as baselines
from fusion import conformal, field_scores, out_of_domain
from fusion.bootstrap import estimate_ratios
from fusion.engine.answers import Answers, answer, cut_batches, decode_again, replace_answer, take, take_blocks
from fusion.engine.array_file import write_arrays
from fusion.engine.calibrate import fit_temperature
from fusion.engine.checkpoint import Checkpoint
from fusion.engine.grouping import describe_protocol, score_groups
from fusion.engine.head import Evidence, find_output
from fusion.engine.heads.field import has_variance
from fusion.engine.safeguards import Safeguards, calibrate, describe_outliers, describe_sets, list_outliers
from fusion.engine.session import Session
from fusion.engine.strangeness import DOMAIN_FILE, Gauge, keep_domain, open_gauge, write_domains
from fusion.engine.symmetries import Array, Rows
from fusion.engine.targets import TargetReader
from fusion.engine.uncertainty import Ensemble, describe_members
from fusion.errors import BadInputError
from fusion.pack import Pack
from fusion.run import EvaluateSpec

SAMPLES_FILE = "test_samples.npz"
NO_TEMPERATURE = "A temperature is for one class per sample, or for fields with predicted variance."
TUNED = ("ece", "negative_log_likelihood", "reliability")  # what a temperature changes: told before and after


@dataclass(kw_only=True)
class Evaluation:
    """An ensemble (often of one network) on one pack; `seconds` collects what each stage took."""

    ensemble: Ensemble
    pack: Pack
    spec: EvaluateSpec
    metric: str
    session: Session
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_classifier(self) -> bool:
        """One class per sample: what temperatures, prediction sets and out-of-domain scores are for."""
        return (
            self.ensemble.target.head == "classes" and find_output(self.ensemble.head, self.ensemble.target) == "vector"
        )

    @cached_property
    def reader(self) -> TargetReader:
        """The truth that answers are scored against."""
        head, target = self.ensemble.head, self.ensemble.target
        return (head.open_truth or head.open_target)(self.pack, target, self.ensemble.inputs)

    def score_all(self) -> dict[str, Any]:
        """Fields of a RunReport that are scores."""
        gauged = self._open_gauge()
        validation, calibration = self._calibrate(self._answer("validation"))
        test = self._answer("test")
        calibration = self._add_before(calibration, test)
        scores = {"validation": self._score(validation, validation.evidence), "test": self._score(test, test.evidence)}
        others = self._score_baselines(test)
        guards = self._find_guards(validation, gauged)
        flags = guards.apply(test.join("probability"), test.join_strangeness()) if self._can_flag(guards, test) else {}
        return {
            **scores,
            **others,
            "calibration": calibration,
            **self._describe_doubts({"validation": validation, "test": test}),
            **self._describe_guards(guards, validation, test, flags, gauged),
            "groups": self._score_groups(test, flags),
            "samples": self._write_samples(test, flags),
        }

    def _open_gauge(self) -> dict[str, str]:
        """Gives the ensemble the score that is asked for; answers where its features lie, or a `note` why it has none.

        Features are those of the pack that the networks were taught with, or what their own runs kept of it.
        """
        method, networks = self.spec.out_of_domain, self.ensemble.networks
        if not self.is_classifier or method == "none":
            return {}
        try:
            with self._stage("features"):
                if method != "neighbours" or not self._is_own_pack():
                    gauge = open_gauge(method, networks)
                else:
                    words = (self.pack, self.spec.batch_size, self.spec.seed)
                    gauge = Gauge(method=method, domains=tuple(keep_domain(one, *words) for one in networks))
        except BadInputError as error:
            return {"note": f"No out-of-domain score: {error}"}
        self.ensemble = replace(self.ensemble, gauge=gauge)
        if not gauge.domains:
            return {}
        pairs = zip(networks, gauge.domains, strict=True)
        own = {one.checkpoint.words.weights_sha256: domain for one, domain in pairs}
        return {"file": DOMAIN_FILE, "sha256": write_domains(self.session.folder, own)}

    def _rows(self, split: str) -> Rows:
        """Rows of a scored split that have all inputs and, where a head takes no others, the target; else none."""
        if split not in self.spec.scored:
            return np.zeros(0, dtype=np.int64)
        rows = self.pack.indices(split, having=[part.name for part in self.ensemble.inputs])
        return rows[self.reader.present[rows]] if self.ensemble.head.is_partial else rows

    def _answer(self, split: str) -> Answers:
        arrays = {part.name: self.pack.array(part.name) for part in self.ensemble.inputs}
        batches = cut_batches(self.pack, self._rows(split), self.spec.batch_size)
        with self._stage("predict"):
            return answer(self.ensemble, arrays, batches, self.reader, self.session.stop.check)

    def _labels(self, answers: Answers) -> Array:
        return self.pack.labels(self.ensemble.target.name)[answers.rows]

    def _calibrate(self, validation: Answers) -> tuple[Answers, dict[str, Any]]:
        """Fits the ensemble's temperature on validation; answers them under it, and what it was like before.

        Of classes it divides the logits; of fields with predicted variance it multiplies the standard deviation.
        """
        if self.spec.calibration == "none" or not len(validation):
            return validation, {"method": "none"}
        temperature = self._fit_temperature(validation)
        if temperature is None:
            return validation, {"method": "none", "note": NO_TEMPERATURE}
        before = self._score(validation, validation.evidence) or {}
        self.ensemble = self.ensemble.set_temperature(temperature)
        found = {"method": "temperature", "temperature": temperature, "fitted_on": "validation"}
        found |= {"validation_ece_before": before.get("ece"), "before": {"validation": _pick(before), "test": None}}
        if validation.outputs:
            return decode_again(validation, self.ensemble, self.reader), found
        return self._answer("validation"), found  # maps are too large to keep: they are asked for once more

    def _fit_temperature(self, validation: Answers) -> float | None:
        if self.is_classifier:
            return fit_temperature(validation.logits, self._labels(validation))
        if self.ensemble.target.head == "field" and has_variance(self.ensemble.target):
            return field_scores.fit_scale(np.concatenate([part["sums"] for part in validation.evidence]))
        return None

    def _add_before(self, calibration: dict[str, Any], test: Answers) -> dict[str, Any]:
        """What the test split was like without the temperature; of classes alone, whose outputs are kept."""
        if calibration["method"] == "none" or not self.is_classifier or not len(test):
            return calibration
        plain = decode_again(test, self.ensemble.set_temperature(1.0), self.reader)
        before = _pick(self._score(plain, plain.evidence) or {})
        return {**calibration, "before": {**calibration["before"], "test": before}}

    def _score(self, answers: Answers, evidence: tuple[Evidence, ...]) -> dict[str, Any] | None:
        """Scores of a split with intervals by block; None where it is empty."""
        if not len(answers):
            return None
        self.session.stop.check()
        with self._stage("scores"):
            blocks = take_blocks(self.pack, answers.rows)
            return self.ensemble.head.score(evidence, blocks, self.spec.seed, self.spec.resamples)

    def _score_baselines(self, test: Answers) -> dict[str, Any]:
        """Fields `baselines` and `difference`; baselines know one class per sample only."""
        scores: dict[str, Any] = {}
        differences: dict[str, Any] = {}
        for name in self.spec.baselines if len(test) and self.is_classifier else ():
            self.session.stop.check()
            with self._stage(name):
                evidence = replace_answer(test, self.ensemble, self._fit_baseline(name, test.rows), self.reader)
            scores[name] = self._score(test, evidence)
            differences[f"cnn_minus_{name}"] = self._compare(test, evidence)
        return {"baselines": scores, "difference": differences}

    def _fit_baseline(self, name: str, rows: Rows) -> Array:
        """Its probabilities for these rows of the test split."""
        known = baselines.find(name)  # imported only now, after training: scikit-learn takes seconds
        names = [part.name for part in self.ensemble.inputs]
        found = known.fit_predict(
            self.pack, names, self.spec.seed, target=self.ensemble.target.name, jobs=self.spec.threads
        )
        return found[np.searchsorted(self.pack.indices("test", having=names), rows)]

    def _compare(self, test: Answers, other: tuple[Evidence, ...]) -> dict[str, Any]:
        with self._stage("scores"):
            blocks = take_blocks(self.pack, test.rows)
            words = (self.metric, blocks, self.spec.seed, self.spec.resamples)
            return {"metric": self.metric, **self.ensemble.head.compare(test.evidence, other, *words)}

    def _find_guards(self, validation: Answers, gauged: Mapping[str, str]) -> Safeguards:
        """Thresholds from validation."""
        if not self.is_classifier:
            words = {"conformal": self.spec.conformal, "out_of_domain": self.spec.out_of_domain != "none"}
            return Safeguards(notes={key: "Only for one class per sample." for key, asked in words.items() if asked})
        if not len(validation):
            none = "There are no validation samples to calibrate on."
            return Safeguards(notes={"conformal": none, "out_of_domain": none})
        cities = take(self.pack, "city", validation.rows)
        truth = self._labels(validation)
        strangeness = None if "note" in gauged else validation.join_strangeness()
        found = calibrate(self.spec, validation.join("probability"), strangeness, truth, cities)
        return replace(found, notes={**found.notes, "out_of_domain": gauged["note"]}) if "note" in gauged else found

    def _can_flag(self, guards: Safeguards, test: Answers) -> bool:
        return len(test) > 0 and (guards.sets is not None or guards.threshold is not None)

    def _describe_doubts(self, answers: Mapping[str, Answers]) -> dict[str, Any]:
        """Field `uncertainty`: members, mean doubts by split, and whether doubt tells wrong answers from right ones."""
        names = [self._name(network.checkpoint) for network in self.ensemble.networks]
        found = describe_members(self.ensemble, names)
        for split, part in answers.items():
            doubts = part.join_doubts()
            if not len(part) or not doubts:
                continue
            values = np.stack(list(doubts.values()), axis=1)
            blocks = take_blocks(self.pack, part.rows)
            means = estimate_ratios(values, None, blocks, seed=self.spec.seed, resamples=self.spec.resamples)
            found[split] = dict(zip(doubts, means, strict=True))
            if self.is_classifier:
                found[split]["auroc_of_errors"] = self._separate_errors(part, doubts["entropy"], blocks)
        return {"uncertainty": found}

    def _separate_errors(self, answers: Answers, entropy: Array, blocks: list[str]) -> dict[str, Any]:
        is_wrong = answers.join("probability").argmax(axis=1) != self._labels(answers)
        own = np.asarray(blocks, dtype=object)
        return dict(
            out_of_domain.measure_separation(
                entropy[~is_wrong],
                entropy[is_wrong],
                known_blocks=own[~is_wrong],
                strange_blocks=own[is_wrong],
                seed=self.spec.seed,
                resamples=self.spec.resamples,
            )
        )

    def _describe_guards(
        self,
        guards: Safeguards,
        validation: Answers,
        test: Answers,
        flags: Mapping[str, Array],
        gauged: Mapping[str, str],
    ) -> dict[str, Any]:
        """Fields `conformal` and `out_of_domain`."""
        blocks = take_blocks(self.pack, test.rows)
        measured = None
        if "set" in flags:
            codes, words = self.ensemble.target.codes, {"seed": self.spec.seed, "resamples": self.spec.resamples}
            measured = conformal.measure_sets(flags["set"], self._labels(test), blocks=blocks, codes=codes, **words)
        scores = {}
        if guards.threshold is not None:
            scores = {"validation": validation.join_strangeness(), "test": flags.get("out_of_domain", np.zeros(0))}
        specs = [network.checkpoint.spec for network in self.ensemble.networks]
        is_evidential = all(spec.objective["name"] == "evidential" for spec in specs)
        outliers = describe_outliers(guards, self.spec, scores, blocks, self._find_unseen(test), is_evidential)
        if "file" in gauged:
            outliers["features"] = dict(gauged)
        if "is_outlier" in flags and guards.threshold is not None:
            columns = self._list_columns(test)
            outliers["outliers"] = list_outliers(flags["out_of_domain"], guards.threshold, columns)
        return {"conformal": describe_sets(guards, self.spec, measured), "out_of_domain": outliers}

    def _find_unseen(self, test: Answers) -> Array | None:
        """Which test samples are of a class that the network was never shown; None where that is not known."""
        if not self.is_classifier or not self._is_own_pack():
            return None
        labels = self.pack.labels(self.ensemble.target.name)
        return np.asarray(~np.isin(self._labels(test), labels[self.pack.indices("train")]))

    def _list_columns(self, test: Answers) -> dict[str, list[Any]]:
        """What is told of a test sample by name."""
        codes = self.ensemble.target.codes
        answers = test.join("probability").argmax(axis=1)
        return {
            "id": take(self.pack, "id", test.rows),
            "city": take(self.pack, "city", test.rows),
            "label": [codes[label] for label in self._labels(test)],
            "answer": [codes[label] for label in answers],
        }

    def _score_groups(self, test: Answers, flags: Mapping[str, Array]) -> dict[str, Any]:
        own: dict[str, Array] = {}
        if "set" in flags:
            own["coverage"] = flags["set"][np.arange(len(test)), self._labels(test)]
        if "is_outlier" in flags:
            own["flagged"] = flags["is_outlier"]
        self.session.stop.check()
        with self._stage("scores"):
            return score_groups(self.ensemble.head, test, self.pack, self.spec, self.metric, own)

    def _write_samples(self, test: Answers, flags: Mapping[str, Array]) -> str:
        """All of this for each test sample, as arrays by name in a file; its name, or none where there are none."""
        doubts = test.join_doubts()
        if not len(test) or not (doubts or flags):
            return ""
        arrays: dict[str, Array] = {"id": np.array(take(self.pack, "id", test.rows), dtype=np.str_), **doubts, **flags}
        if self.is_classifier:
            arrays |= {"label": self._labels(test), "probability": test.join("probability")}
        write_arrays(self.session.folder / SAMPLES_FILE, arrays)
        return SAMPLES_FILE

    def _is_own_pack(self) -> bool:
        """Whether every member was taught with this very pack."""
        return all(one.checkpoint.words.pack_sha256 == self.pack.sha256 for one in self.ensemble.networks)

    def describe_protocol(self) -> dict[str, Any]:
        """Field `protocol`: whether the test is of cities that were not trained in."""
        return describe_protocol(self.pack, self._is_own_pack())

    def _name(self, checkpoint: Checkpoint) -> str:
        """A checkpoint's file, relative to the folder where it lies in it."""
        path, folder = checkpoint.path.resolve(), self.session.folder.resolve()
        return str(path.relative_to(folder) if path.is_relative_to(folder) else path)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started


def _pick(scores: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of scores what a temperature changes."""
    return {key: scores[key] for key in TUNED if key in scores} or None
