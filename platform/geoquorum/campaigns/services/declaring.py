"""What gave a campaign's votes their meaning: question and scheme as they were declared when it opened.

Later versions of the program may rename, reorder or drop classes; a campaign goes on with those it began with.
"""

import hashlib
import json
from dataclasses import asdict, fields
from typing import Any

from annotation import question as questions
from annotation.fields import AnswerField, FieldOption
from fusion import scheme as schemes
from fusion.scheme import LabelClass, Scheme
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services.refusal import RefusedError

_KEPT: dict[str, Scheme] = {}  # by digest: a handful per installation


def declare(*, question: str, scheme: str) -> dict[str, Any]:
    """JSON-ready: every field of the question and of the scheme as the program declares them now."""
    said = {"question": asdict(questions.find(question)), "scheme": asdict(schemes.find(scheme))}
    return dict(json.loads(json.dumps(said)))


def digest_of(declared: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a declaration."""
    return hashlib.sha256(json.dumps(declared, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def scheme_of(campaign: Campaign) -> Scheme:
    """The scheme that this campaign's codes belong to: as declared at opening, or the program's for a draft."""
    digest = campaign.declared_digest
    if not digest:
        return schemes.find(campaign.scheme)
    if digest not in _KEPT:
        _KEPT[digest] = _read_declared(campaign)
    return _KEPT[digest]


def fields_of(campaign: Campaign) -> tuple[AnswerField, ...]:
    """What this campaign asks beside the class: as declared at opening, or the program's for a draft."""
    if campaign.declared is None:
        return questions.find(campaign.question).fields
    return tuple(
        AnswerField(**said | {"options": tuple(FieldOption(**one) for one in said["options"])})
        for said in campaign.declared["question"].get("fields", [])
    )


def _read_declared(campaign: Campaign) -> Scheme:
    if campaign.declared is None or digest_of(campaign.declared) != campaign.declared_digest:
        raise RefusedError(
            f"The declaration of campaign {campaign.pk} does not match its digest: somebody changed it in the "
            "database. Restore it from a backup; until then its votes cannot be read safely."
        )
    return read_scheme(campaign.declared["scheme"])


def refuse_if_question_changed(campaign: Campaign) -> None:
    """Votes under another version of the question would mean something else than those before."""
    now = questions.find(campaign.question).version
    if campaign.declared_digest and now != campaign.question_version:
        raise RefusedError(
            f"This campaign asks version {campaign.question_version} of {campaign.question!r}, and this program "
            f"knows version {now}. Close the campaign and ask the new version in a new one; the votes stay."
        )


def read_scheme(said: dict[str, Any]) -> Scheme:
    """A scheme from its declaration; fields that this program does not know are left out."""
    table = said["similarity"]
    known = {field.name for field in fields(Scheme)} - {"classes", "similarity"}
    return Scheme(
        **{name: value for name, value in said.items() if name in known},
        classes=tuple(_read_class(each) for each in said["classes"]),
        similarity=None if table is None else tuple(tuple(row) for row in table),
    )


def _read_class(said: dict[str, Any]) -> LabelClass:
    known = {field.name for field in fields(LabelClass)}
    read = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    return LabelClass(**{name: value for name, value in read.items() if name in known})
