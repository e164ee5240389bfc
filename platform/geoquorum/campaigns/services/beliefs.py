"""What adaptive rounds know: the model of the last refit, and log posteriors of samples kept under it.

A refit gives the round a new model and changes no sample: posteriors made under an older model are made anew from
their votes when a sample is looked at next, a few at a time.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from annotation import routing
from annotation.routing import Logs, Model
from geoquorum.statements import execute, fetch_row, fetch_rows

KEPT = 8  # models in memory, the newest; one of 50 experts, 17 classes and five neighbours takes 700 kB
MINIMUM, SETTLE_AT = 2, 0.95

MODEL = "SELECT model FROM campaigns_round WHERE id = %(round)s AND model_version = %(version)s"
EXPERTS = """
SELECT expert_id, log_likelihood FROM campaigns_participation
WHERE round_id = %(round)s AND model_version = %(version)s AND log_likelihood IS NOT NULL
"""
# The latest revision of each answered place; the rows are locked first, so that no vote comes between.
LOCK_STALE = """
SELECT id, sample_id, answered FROM campaigns_roundsample
WHERE id = ANY(%(rows)s) AND model_version <> %(version)s FOR UPDATE SKIP LOCKED
"""
VOTES = """
SELECT a.sample_id, a.expert_id, last.code FROM campaigns_assignment a
JOIN LATERAL (SELECT kind, code FROM campaigns_vote v WHERE v.assignment_id = a.id ORDER BY revision DESC LIMIT 1)
  AS last ON last.kind = 'answer'
WHERE a.round_id = %(round)s AND a.sample_id = ANY(%(samples)s) AND a.state = 'answered'
"""
REFRESH = """
UPDATE campaigns_roundsample s SET posterior = new.posterior::float8[], model_version = %(version)s,
  settled_at = CASE WHEN new.is_settled THEN coalesce(s.settled_at, clock_timestamp()) END
FROM (SELECT unnest(%(rows)s::bigint[]) AS id, unnest(%(posteriors)s::text[]) AS posterior,
             unnest(%(settled)s::bool[]) AS is_settled) AS new
WHERE s.id = new.id
"""

_MODELS: OrderedDict[tuple[int, int, int], Model] = OrderedDict()


def find_model(round_id: int, version: int, classes: int) -> Model:
    """The round's model of a version; before the first refit all classes are alike and everybody is rather good."""
    key = (round_id, version, classes)
    if key not in _MODELS:
        _MODELS[key] = _read_model(round_id, version, classes)
        while len(_MODELS) > KEPT:
            _MODELS.popitem(last=False)
    return _MODELS[key]


def move_vote(
    found: Mapping[str, Any], codes: Sequence[str], *, expert_id: int, answered: int, before: str, after: str
) -> dict[str, Any]:
    """The sample's posterior after a vote moved from code `before` to `after` ("": none), and whether it is settled.

    `found` is what voting.READ read. A posterior that an older model made is first made anew from the votes.
    """
    model = find_model(found["round_id"], found["model_version"], len(codes))
    belief = model.log_prior if found["posterior"] is None else np.asarray(found["posterior"])
    if found["posterior_version"] != found["model_version"]:
        votes = fetch_rows(VOTES, {"round": found["round_id"], "samples": [found["sample_id"]]})
        belief = _score(model, votes, codes)
    matrix = model.log_likelihood(expert_id)
    if before:
        belief = routing.add_vote(belief, -matrix[:, codes.index(before)])
    if after:
        belief = routing.add_vote(belief, matrix[:, codes.index(after)])
    return {
        "posterior_after": belief.tolist(),
        "posterior_version": found["model_version"],
        "is_settled": _is_settled(belief, answered, found["policy"], len(codes)),
    }


def refresh(
    *, round_id: int, version: int, codes: Sequence[str], policy: Mapping[str, Any], rows: Sequence[int]
) -> dict[int, list[float]]:
    """New posteriors of samples (by row) whose posterior an older model made; rows that others hold are left out."""
    locked = fetch_rows(LOCK_STALE, {"rows": list(rows), "version": version})
    if not locked:
        return {}
    model = find_model(round_id, version, len(codes))
    told: dict[int, list[dict[str, Any]]] = {row["sample_id"]: [] for row in locked}
    for vote in fetch_rows(VOTES, {"round": round_id, "samples": list(told)}):
        told[vote["sample_id"]].append(vote)
    beliefs = [_score(model, told[row["sample_id"]], codes) for row in locked]
    answered, k = [row["answered"] for row in locked], len(codes)
    settled = [_is_settled(belief, votes, policy, k) for belief, votes in zip(beliefs, answered, strict=True)]
    values = {"version": version, "rows": [row["id"] for row in locked], "settled": settled}
    values["posteriors"] = ["{" + ",".join(map(repr, belief.tolist())) + "}" for belief in beliefs]
    execute(REFRESH, values)
    return {row["id"]: belief.tolist() for row, belief in zip(locked, beliefs, strict=True)}


def _score(model: Model, votes: Sequence[Mapping[str, Any]], codes: Sequence[str]) -> Logs:
    """The prior, and for each vote the column of its expert's matrix."""
    belief = model.log_prior
    for vote in votes:
        if vote["code"] in codes:
            belief = routing.add_vote(belief, model.log_likelihood(vote["expert_id"])[:, codes.index(vote["code"])])
    return belief


def _is_settled(belief: Logs, answered: int, policy: Mapping[str, Any], classes: int) -> bool:
    rule = {"minimum": policy.get("minimum", MINIMUM), "settle_at": policy.get("settle_at", SETTLE_AT)}
    return bool(routing.is_settled(belief, answered, **rule, n_classes=classes))


def _read_model(round_id: int, version: int, classes: int) -> Model:
    row = fetch_row(MODEL, {"round": round_id, "version": version})
    if row is None or row["model"] is None:
        return routing.start_model(classes)
    experts = fetch_rows(EXPERTS, {"round": round_id, "version": version})
    return Model(
        log_prior=np.array(row["model"]["log_prior"]),
        pooled=np.array(row["model"]["pooled"]),
        experts={row["expert_id"]: np.array(row["log_likelihood"]).reshape(-1, classes) for row in experts},
    )
