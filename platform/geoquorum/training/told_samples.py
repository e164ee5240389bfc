"""Samples that a run tells of while it learns (fusion.engine.samples), as words and pictures for its page."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.http import Http404
from PIL import Image

from fusion import painting, quicklook
from fusion import scheme as schemes
from fusion.errors import GeoquorumError
from fusion.pack import Pack, PackArray
from fusion.scheme import LabelClass
from geoquorum.accounts.models import Role, User
from geoquorum.accounts.services import has_role
from geoquorum.campaigns.models import CampaignState, RoundSample
from geoquorum.catalog.pictures import store_picture
from geoquorum.releases.withheld import is_withheld
from geoquorum.training.models import Run

FILE = "samples.json"
MOST_BYTES = 2_000_000
LIKELIEST = 3
SIDE = 128  # pixels of a picture on the page
PICTURES = ("mask", "field")  # heads whose values are drawn
DRAWING = 1  # counts up when pictures of the same numbers look different

Share = tuple[LabelClass, float]


@dataclass(frozen=True, kw_only=True)
class ToldSample:
    """One sample: its number in the file, its id, what is true of it, what the run says now and said before.

    Of classes the likeliest with their shares, and the share of the true class after each epoch told. `is_right`: the
    likeliest class is the true one; None where that is no question.
    """

    number: int
    id: str
    truth: list[Share]
    said: list[Share]
    course: list[float]
    is_right: bool | None = None


def may_see(run: Run, user: User) -> bool:
    """Curators; others while no contest holds labels back and nobody votes on samples of the version."""
    if has_role(user=user, project=run.project, minimum=Role.CURATOR):
        return True
    asked = RoundSample.objects.filter(
        round__campaign__state=CampaignState.OPEN, sample__consensus__run__in=run.version.consensus_ids
    )
    return not is_withheld(version=run.version, user=user) and not asked.exists()


def read_told(run: Run) -> dict[str, Any]:
    """What the run wrote last; {} where there is nothing, or nothing that can be read."""
    path = Path(run.folder) / FILE
    try:
        if not run.folder or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return {}
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    is_whole = isinstance(values, dict) and isinstance(values.get("ids"), list) and values.get("entries")
    return values if is_whole else {}


def describe_told(run: Run) -> dict[str, Any]:
    """The samples for the page with the epoch they are of; {} where there are none."""
    told = read_told(run)
    if not told:
        return {}
    try:
        samples = _list_classes(told) if told["head"] == "classes" else _list_others(told)
    except (LookupError, TypeError, ValueError, StopIteration, GeoquorumError):  # the child may write anything
        return {}
    return {
        "samples": samples,
        "epoch": told["entries"][-1].get("epoch"),
        "head": told["head"],
        "scheme": told.get("scheme"),
        "has_pictures": told["head"] in PICTURES,
    }


def draw_told(run: Run, number: int, kind: str) -> bytes:
    """A picture of sample `number`: `look` (its pixels), and for masks and fields `truth` and `said`; 404 else."""
    told = read_told(run)
    if not told or not 0 <= number < len(told["ids"]):
        raise Http404
    if kind == "look":
        return _draw_look(run, told["rows"][number])
    if told["head"] not in PICTURES or kind not in ("truth", "said"):
        raise Http404
    return _draw_values(told, number, kind)


def _list_classes(told: Mapping[str, Any]) -> list[ToldSample]:
    scheme = schemes.find(told["scheme"])
    labels = [next(label for label in scheme.classes if label.code == code) for code in told["codes"]]
    truth, entries = told["truth"], told["entries"]
    found = []
    for number, own in enumerate(told["ids"]):
        true = truth["distribution"][number] if truth.get("distribution") else None
        known = true or np.eye(len(labels))[truth["label"][number]].tolist()
        course = [entry["decoded"][told["stored"]][number] for entry in entries]
        place = int(np.argmax(known))
        found.append(
            ToldSample(
                number=number,
                id=str(own),
                truth=_rank(labels, known),
                said=_rank(labels, course[-1]),
                course=[float(one[place]) for one in course],
                is_right=int(np.argmax(course[-1])) == place,
            )
        )
    return found


def _rank(labels: list[LabelClass], shares: list[float]) -> list[Share]:
    """The likeliest classes, those with less than a hundredth left out."""
    order = np.argsort(-np.asarray(shares, np.float64), kind="stable")[:LIKELIEST]
    return [(labels[place], float(shares[place])) for place in order if shares[place] >= 0.01]


def _list_others(told: Mapping[str, Any]) -> list[ToldSample]:
    return [
        ToldSample(number=number, id=str(own), truth=[], said=[], course=[]) for number, own in enumerate(told["ids"])
    ]


def _draw_look(run: Run, row: int) -> bytes:
    """The sample as its modality is looked at, the most telling of those the run reads."""
    name = f"{run.version.sha256}-{row}-{','.join(run.spec.get('modalities') or ())}-{DRAWING}"
    path = settings.GEOQUORUM_CACHE / "run-samples" / run.version.sha256[:2] / f"{name}.png"

    def draw() -> Image.Image:
        try:
            pack = Pack.open(run.version.uri, sha256=run.version.sha256)
            array = _choose_array(pack, run.spec.get("modalities") or pack.array_names)
            if not 0 <= row < len(pack):
                raise Http404
            picture = quicklook.draw(array.modality, array.gather(np.array([row]))[0], offset=array.modality.offset)
        except (GeoquorumError, OSError) as error:
            raise Http404 from error
        if picture is None:
            raise Http404
        return Image.fromarray(picture, "RGBA").resize((SIDE, SIDE), Image.Resampling.NEAREST)

    return store_picture(path, draw)


def _choose_array(pack: Pack, names: list[str] | tuple[str, ...]) -> PackArray:
    """The first whose first view has three channels, which is a photograph; else the first that has a view."""
    arrays = [pack.array(name) for name in names if name in pack.array_names]
    shown = [one for one in arrays if one.modality.views]
    if not shown:
        raise Http404
    coloured = [one for one in shown if len(one.modality.views[0].channels) == 3 and one.modality.name != "sentinel1"]
    return (coloured or shown)[0]


def _draw_values(told: Mapping[str, Any], number: int, kind: str) -> bytes:
    source = told["truth"] if kind == "truth" else told["entries"][-1]["decoded"]
    values = source.get(told["stored"]) or next(iter(source.values()), None)
    plane = np.array(values[number] if values else [], dtype=np.float64)
    if plane.ndim != 2:
        raise Http404
    picture = _paint_mask(plane, told) if told["head"] == "mask" else _paint_field(plane, told, number)
    image = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return _encode(image)


def _paint_mask(plane: npt.NDArray[np.float64], told: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """Places in the scheme as its colours; what is unknown (-1, or no number) stays black."""
    scheme = schemes.find(told["scheme"])
    colours = {place: scheme.classes[scheme.index(code)].colour for place, code in enumerate(told["codes"])}
    return painting.paint_classes(np.nan_to_num(plane, nan=-1).round().astype(np.int64), colours)


def _paint_field(plane: npt.NDArray[np.float64], told: Mapping[str, Any], number: int) -> npt.NDArray[np.uint8]:
    """Grey from the least to the largest true value, so that both pictures of a sample can be held together."""
    values = told["truth"].get(told["stored"]) or next(iter(told["truth"].values()))
    true = np.array(values[number], dtype=np.float64)
    low, high = painting.find_limits(true.astype(np.float32), np.isfinite(true), 0, 100)
    return painting.scale_levels(plane.astype(np.float32), low, high)


def _encode(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()
