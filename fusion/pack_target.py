"""Targets by head: the axes and columns each stores, and what a value must be to be learned from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.errors import PackError
from fusion.pack_source import TargetSource
from fusion.pack_stream import check_dims

Array = npt.NDArray[Any]
Check = Callable[[Array, TargetSource, int], str | None]
TURN_DEG = 180.0


@dataclass(frozen=True, kw_only=True)
class TargetForm:
    """How a head's values are stored: dtype kinds, the dims of one sample in every order allowed, the last axis.

    `check` says in words what is wrong with a sample's values, given the source and how many codes the scheme has.
    """

    kinds: str
    dims: tuple[tuple[str, ...], ...]
    check: Check
    columns: tuple[str, ...] = ()


def _check_mask(values: Array, source: TargetSource, codes: int) -> str | None:
    known = values if source.nodata is None else values[values != source.nodata]
    if codes and known.size and (known.min() < 0 or known.max() >= codes):
        return f"codes {known.min()} to {known.max()} where the scheme has 0 to {codes - 1}"
    return None


def _check_field(_values: Array, _source: TargetSource, _codes: int) -> str | None:
    return None  # any finite number may be measured


def _check_boxes(values: Array, _source: TargetSource, codes: int) -> str | None:
    size, angle, code = values[:, 2:4], values[:, 4], values[:, 5]
    if (size <= 0).any():
        return "a box without width or height"
    if (np.abs(angle) > TURN_DEG).any():
        return f"an angle of {angle[np.abs(angle).argmax()]:g} degrees; give -180 to 180"
    return _check_codes(code, codes)


def _check_tracks(values: Array, _source: TargetSource, codes: int) -> str | None:
    if (values[:, 4:6] <= 0).any():
        return "a box without width or height"
    if (values[:, :2] < 0).any() or (values[:, :2] % 1 != 0).any():
        return "a frame or track number that is no whole number from 0"
    if len(np.unique(values[:, :2], axis=0)) < len(values):
        return "one track twice in one frame"
    return _check_codes(values[:, 6], codes)


def _check_codes(code: Array, codes: int) -> str | None:
    if (code % 1 != 0).any() or (code < 0).any() or (codes and (code >= codes).any()):
        return f"a class that is no whole number from 0{f' to {codes - 1}' if codes else ''}"
    return None


# Boxes are oriented: centre, size and angle in pixels and degrees of the sample's grid, x to the right, y down, the
# angle from x towards y. A track is one thing through the frames of a clip; its boxes stand upright.
FORMS: Mapping[str, TargetForm] = {
    "mask": TargetForm(kinds="ui", dims=(("y", "x"), ("time", "y", "x")), check=_check_mask),
    "field": TargetForm(
        kinds="f", dims=(("y", "x"), ("band", "y", "x"), ("time", "band", "y", "x"), ("band",)), check=_check_field
    ),
    "boxes": TargetForm(
        kinds="f",
        dims=(("box", "column"),),
        check=_check_boxes,
        columns=("cx", "cy", "width", "height", "angle_deg", "class"),
    ),
    "tracks": TargetForm(
        kinds="f",
        dims=(("box", "column"),),
        check=_check_tracks,
        columns=("frame", "track", "cx", "cy", "width", "height", "class"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class TargetCheck:
    """The check of one target's values while they stream by."""

    name: str
    head: str
    source: TargetSource
    codes: int
    ids: Sequence[str] = field(default=())

    @property
    def form(self) -> TargetForm:
        return FORMS[self.head]

    def check_layout(self) -> None:
        """PackError where the head is not known, or dims, dtype or columns are not the head's."""
        if self.head not in FORMS:
            raise PackError(f"Target {self.name!r}: head {self.head!r} takes no values. Known: {', '.join(FORMS)}.")
        source, form = self.source, self.form
        check_dims(self.name, source.dims, source.shape, frozenset(word for dims in form.dims for word in dims))
        columns = source.shape[-1] if form.columns else 0
        if (
            tuple(source.dims) not in form.dims
            or np.dtype(source.dtype).kind not in form.kinds
            or columns != len(form.columns)
        ):
            wanted = " or ".join(", ".join(dims) for dims in form.dims)
            raise PackError(
                f"Target {self.name!r} of head {self.head!r}: dims {wanted}, dtype of kind {form.kinds!r}"
                f"{f', columns {chr(44).join(form.columns)}' if form.columns else ''} are needed; "
                f"{', '.join(source.dims)} of {source.dtype} {list(source.shape)} was given."
            )

    def watch(self, blocks: Iterator[Array]) -> Iterator[Array]:
        """The blocks [n, *shape] as they come; PackError at the first sample that cannot be learned from."""
        row = 0
        for block in blocks:
            if self.form.check(block, self.source, self.codes) is not None:
                self._name_first(block, row)
            row += len(block)
            yield block

    def watch_samples(self, samples: Iterator[Array]) -> Iterator[Array]:
        """The samples as they come; PackError at the first that cannot be learned from."""
        for row, sample in enumerate(samples):
            self._refuse(self.form.check(sample, self.source, self.codes), row)
            yield sample

    def _name_first(self, block: Array, first: int) -> None:
        for row, sample in enumerate(block, first):
            self._refuse(self.form.check(sample, self.source, self.codes), row)

    def _refuse(self, wrong: str | None, row: int) -> None:
        if wrong is not None:
            raise PackError(f"Target {self.name!r}, sample {self.ids[row]}: {wrong}. Correct or leave it out.")
