"""What files hold for a modality, checked and said in words; whatever cannot be taken is refused by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader

from fusion.errors import BadRasterError
from fusion.file_info import hash_file
from fusion.modality import Modality
from fusion.source import Limits, RasterInfo
from fusion.sources.geotiff import checks
from fusion.sources.geotiff.naming import (
    find_dates,
    find_scene_offset,
    find_tagged_offset,
    find_tagged_scale,
    find_wavelengths,
    name_bands,
    name_file_band,
    normalise_band,
)
from fusion.sources.geotiff.opening import JP2_SUFFIX, open_raster
from fusion.spectrum import declare_bands
from fusion.spectrum import name_bands as name_cube_bands

# Their numbers carry the offset of their processing baseline; masks and classes beside them carry none.
REFLECTANCE = ("sentinel2", "sentinel2_l1c", "sentinel2_l2a")
SUFFIXES = (".tif", ".tiff", JP2_SUFFIX)
QUALITY_MASKS = "MSK_"  # of Sentinel-2 products: they carry the names of bands and are none


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What the caller says about files that do not say it themselves."""

    bands: tuple[str, ...] | None
    offset: float | None
    captured: datetime | None


def inspect(
    paths: Sequence[Path | str],
    modality: Modality,
    *,
    limits: Limits | None = None,
    bands: Sequence[str] | None = None,
    offset: float | None = None,
    captured: datetime | None = None,
) -> list[RasterInfo]:
    """One RasterInfo per file taken, in the order given; the first fault refuses all, named by file (BadRasterError).

    A path is a stack or a folder with one band per file, of which those of the modality are taken at their finest pixel
    size. A modality with bands of its own takes every band of a stack. Bands come from the band descriptions, the file
    names, or `bands`: one name per band of each stack, in file
    order. `offset` is used where neither tags nor the product name state one, and must not contradict them; `captured`
    replaces the date of names and tags. Nothing is written; every block is decoded once.
    """
    names = None if bands is None else tuple(bands if modality.has_own_bands else map(normalise_band, bands))
    moment = captured if captured is None or captured.tzinfo else captured.replace(tzinfo=UTC)
    statement = Statement(bands=names, offset=offset, captured=moment)
    found: list[RasterInfo] = []
    for path in (Path(path) for path in paths):
        if path.is_dir():
            found += _inspect_folder(path, modality, limits or Limits(), statement)
        else:
            found.append(_inspect_file(path, modality, limits or Limits(), statement, scene=path.stem))
    if not found:
        raise BadRasterError("No file given. Give a GeoTIFF, or a folder that holds one per band.")
    return found


def _inspect_folder(folder: Path, modality: Modality, limits: Limits, statement: Statement) -> list[RasterInfo]:
    """The band files of a folder (Sentinel-2 product, Major-TOM cell), coarser twins and other files left out."""
    files = sorted(path.absolute() for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    chosen: dict[str, RasterInfo] = {}
    for path in files:
        band = name_file_band(path, modality.band_names)
        if band in modality.band_names and not path.name.startswith(QUALITY_MASKS):
            info = _inspect_file(path, modality, limits, replace(statement, bands=(band,)), scene=folder.name)
            if band not in chosen or info.pixel_size < chosen[band].pixel_size:
                chosen[band] = info
    if not chosen:
        raise BadRasterError(
            f"{folder}: no band of {modality.name} among its {len(files)} rasters. A band file carries its "
            f"band's name, such as {modality.band_names[0]}.tif; give stacks one by one."
        )
    taken = {info.path for info in chosen.values()}
    left = [path.name for path in files if path not in taken]
    infos = [chosen[band] for band in modality.band_names if band in chosen]
    return [replace(infos[0], notes=(*infos[0].notes, *_say_left("Files", left))), *infos[1:]]


def _inspect_file(path: Path, modality: Modality, limits: Limits, statement: Statement, scene: str) -> RasterInfo:
    with open_raster(path) as dataset:
        try:
            checks.check_size(dataset, limits)
            return _take(path.absolute(), dataset, modality, statement, scene)
        except BadRasterError as error:
            raise BadRasterError(f"{path.name}: {error}.") from error


def _take(path: Path, dataset: DatasetReader, modality: Modality, statement: Statement, scene: str) -> RasterInfo:
    if modality.has_own_bands:
        modality = declare_bands(modality, _name_own(dataset, statement.bands))
        statement = replace(statement, bands=modality.band_names)
    names = _find_bands(path, dataset, modality, statement.bands)
    used = tuple(band for band in modality.band_names if band in names)
    _check_dtype(dataset, modality)
    epsg, bounds = checks.check_place(dataset)
    nodata, nodata_note = _find_nodata(dataset, modality)
    offset, offset_note = _find_offset(path, dataset, modality, statement.offset)
    dates, date_note = find_dates(path, dataset.tags(), statement.captured)
    checks.check_block_sums(dataset)
    missing = [band for band in modality.band_names if band not in used] if len(names) > 1 else []
    share, live = checks.read_every_block(dataset, [names.index(band) + 1 for band in used], nodata)
    empty = [band for band in used if names.index(band) + 1 not in live]
    used = tuple(band for band in used if band not in empty)
    notes = (
        offset_note, nodata_note, date_note,
        *_say_left("Bands", [name for name in names if name not in (*used, *empty)]),
        *_say_left("Bands without any data", empty),
        *([f"Not in the file: {', '.join(missing)}"] if missing else []),
        *(["More than half of it holds no data"] if share > 0.5 else []),
    )  # fmt: skip
    return RasterInfo(
        path=path, scene=scene, sha256=hash_file(path), size_bytes=path.stat().st_size, driver=dataset.driver,
        modality=modality.name, bands=names, used=used, dtype=dataset.dtypes[0],
        width=dataset.width, height=dataset.height, epsg=epsg, transform=tuple(dataset.transform)[:6],
        nodata=nodata, offset=offset, scale=_find_scale(dataset, modality),
        captured_from=dates[0] if dates else None, captured_to=dates[1] if dates else None,
        lonlat_bounds=bounds, invalid_share=share,
        is_simulated=dataset.tags().get("SIMULATED", "").lower() == "yes", notes=notes,
        wavelengths_nm=find_wavelengths(dataset),
    )  # fmt: skip


def _name_own(dataset: DatasetReader, stated: tuple[str, ...] | None) -> tuple[str, ...]:
    """Bands of a cube as the caller or the file names them, else b001, b002 and so on."""
    described = tuple((text or "").strip() for text in dataset.descriptions)
    plain = tuple(band.name for band in name_cube_bands([None] * dataset.count))
    return stated or (described if all(described) and len(set(described)) == len(described) else plain)


def _find_bands(
    path: Path, dataset: DatasetReader, modality: Modality, stated: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Names of all bands in file order, at least one of them the modality's and none twice."""
    wanted = ", ".join(modality.band_names)
    if stated is not None and len(stated) != dataset.count:
        raise BadRasterError(f"it has {dataset.count} bands, but {len(stated)} names were given ({', '.join(stated)})")
    names = stated or name_bands(path, dataset.descriptions)
    if names == (path.stem,) and len(modality.band_names) == 1:
        names = modality.band_names
    if not any(names):
        raise BadRasterError(
            f"its {dataset.count} bands have no names; name them in file order. {modality.name}: {wanted}"
        )
    used = [name for name in names if name in modality.band_names]
    if not used:
        held = ", ".join(name or "one without a name" for name in names)
        raise BadRasterError(f"no band of {modality.name} is in it: it holds {held}; needed are {wanted}")
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise BadRasterError(f"two of its bands are called {', '.join(twice)}")
    return names


def _check_dtype(dataset: DatasetReader, modality: Modality) -> None:
    """Integers are taken where real numbers are expected, but never the other way round: the scale would differ."""
    stored, wanted = np.dtype(dataset.dtypes[0]), np.dtype(modality.dtype)
    order = {"u": 0, "i": 0, "f": 1, "c": 2}
    if (
        stored.kind not in order
        or order[stored.kind] > order[wanted.kind]
        or (wanted.kind == "c") != (stored.kind == "c")
    ):
        raise BadRasterError(f"it stores {stored}, {modality.name} stores {wanted}: the numbers cannot mean the same")


def _find_nodata(dataset: DatasetReader, modality: Modality) -> tuple[float | None, str]:
    if dataset.nodata is not None:
        return float(dataset.nodata), f"Nodata {dataset.nodata:g} as the file states"
    if modality.nodata is not None:
        return modality.nodata, f"Nodata {modality.nodata:g} as usual for {modality.name}, the file states none"
    return None, "The file states no nodata value"


def _find_offset(path: Path, dataset: DatasetReader, modality: Modality, stated: float | None) -> tuple[float, str]:
    """Offset to the stored numbers, and how it is known; Sentinel-2 without any statement is refused."""
    known = find_tagged_offset(dataset.tags(), dataset.offsets, dataset.scales)
    if known is None and modality.name in REFLECTANCE:
        known = find_scene_offset(path)
    if known is not None and stated is not None and stated != known[0]:
        raise BadRasterError(
            f"{known[1]} says an offset of {known[0]:g}, the caller says {stated:g}; leave one of them out"
        )
    if known is not None:
        return known[0], f"Offset {known[0]:g} from {known[1]}"
    if stated is not None:
        return stated, f"Offset {stated:g} as stated by the caller"
    if modality.name in REFLECTANCE:
        raise BadRasterError(
            "neither its tags nor a product name say which offset its numbers carry; state it: -1000 for processing "
            "baseline 04.00 and later (from 25 January 2022), 0 for older or harmonised data"
        )
    return modality.offset, f"Offset {modality.offset:g} as usual for {modality.name}"


def _find_scale(dataset: DatasetReader, modality: Modality) -> float:
    scale = find_tagged_scale(dataset.tags(), dataset.scales)
    if scale is not None and not np.isclose(scale, modality.scale, rtol=1e-6):
        raise BadRasterError(f"its scale is {scale:g}, that of {modality.name} is {modality.scale:g}; rescale it first")
    return modality.scale


def _say_left(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what} left out: {', '.join(name or 'one without a name' for name in names)}"] if names else []
