"""STAC Items read as they are: what they claim is checked, and an asset may not lead out of the item's folder."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import shapely
from shapely.geometry import shape

from fusion.errors import BadFileError
from fusion.file_info import Bounds, ItemAsset, ItemInfo, Transform, hash_file
from fusion.places import find_epsg
from fusion.sources.stac.remote import RemoteFiles

SUFFIXES = (".json",)
MOST_BYTES, MOST_ASSETS, MOST_BANDS = 16 * 2**20, 1_000, 1_024
REMOTE = ("http", "https", "s3")


def inspect_item(path: Path, root: Path | None = None) -> list[ItemInfo]:
    """What a local item says. Its local assets must lie below `root`, by default the item's own folder."""
    if not path.is_file():
        raise BadFileError(f"{path}: no such file. Give a STAC Item (JSON).")
    if path.stat().st_size > MOST_BYTES:
        raise BadFileError(f"{path.name}: more than {MOST_BYTES // 2**20} MiB is no STAC Item.")
    try:
        held = _parse(path.read_bytes())
        inside = (root or path.parent).resolve()
        assets = _list_assets(held, lambda href: _find_local(href, path.parent, inside))
        return [_describe(held, assets, path.absolute(), hash_file(path), path.stat().st_size)]
    except BadFileError as error:
        raise type(error)(f"{path.name}: {error}.") from error


def read_item(url: str, files: RemoteFiles) -> ItemInfo:
    """An item far away; its relative assets lie beside it, and local paths in it are refused."""
    content = files.read_whole(url, MOST_BYTES)
    name = Path(urlsplit(url).path)
    try:
        held = _parse(content)
        assets = _list_assets(held, lambda href: _find_remote(href, url))
        return _describe(held, assets, name, hashlib.sha256(content).hexdigest(), len(content))
    except BadFileError as error:
        raise type(error)(f"{name.name}: {error}.") from error


def _parse(content: bytes) -> dict[str, Any]:
    try:
        held = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadFileError("it is no JSON") from error
    if not isinstance(held, dict) or held.get("type") != "Feature" or "stac_version" not in held:
        raise BadFileError("it is no STAC Item (a Feature with a stac_version)")
    if not str(held["stac_version"]).startswith("1."):
        raise BadFileError(f"its STAC version is {str(held['stac_version'])[:20]!r}; 1.0 and 1.1 are read")
    if not isinstance(held.get("id"), str) or not held["id"] or not isinstance(held.get("properties"), dict):
        raise BadFileError("it has no id or no properties")
    if not isinstance(held.get("assets"), dict) or not 1 <= len(held["assets"]) <= MOST_ASSETS:
        raise BadFileError(f"it has no assets, or more than {MOST_ASSETS}")
    return held


def _refuse_constant(text: str) -> float:
    raise ValueError(text)


def _describe(
    held: Mapping[str, Any], assets: tuple[ItemAsset, ...], path: Path, sha256: str, size: int
) -> ItemInfo:  # fmt: skip
    times = _find_times(held["properties"])
    notes = [] if all(asset.sha256 for asset in assets) else ["Not all assets state a sha256 (file:checksum)"]
    if any(asset.is_remote for asset in assets):
        notes.append("Some assets lie far away: they are read by range through the list of hosts alone")
    return ItemInfo(
        path=path, sha256=sha256, size_bytes=size, format=f"STAC {held['stac_version']}", item=held["id"][:500],
        collection=str(held.get("collection") or "")[:500], captured_from=times[0], captured_to=times[1],
        lonlat_bounds=_find_bounds(held), assets=assets, notes=tuple(notes),
    )  # fmt: skip


def _find_times(properties: Mapping[str, Any]) -> tuple[datetime, datetime]:
    texts = [properties.get("datetime")] * 2
    if texts[0] is None:
        texts = [properties.get("start_datetime"), properties.get("end_datetime")]
    try:
        first, last = (datetime.fromisoformat(str(text).replace("Z", "+00:00")) for text in texts)
    except ValueError as error:
        raise BadFileError("it says no time: neither datetime nor start_datetime and end_datetime") from error
    found = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (first, last)]
    if found[1] < found[0]:
        raise BadFileError("its end_datetime lies before its start_datetime")
    return found[0], found[1]


def _find_bounds(held: Mapping[str, Any]) -> Bounds:
    """West, south, east, north of the geometry; a box that says otherwise is refused."""
    try:
        geometry = shape(held["geometry"])
        west, south, east, north = (float(edge) for edge in geometry.bounds)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise BadFileError("it has no geometry that can be read") from error
    if not all(map(math.isfinite, (west, south, east, north))) or max(-west, east) > 180 or max(-south, north) > 90:
        raise BadFileError("its geometry is not in degrees of WGS 84")
    box = held.get("bbox")
    if isinstance(box, list) and len(box) in (4, 6) and all(isinstance(edge, int | float) for edge in box):
        half = len(box) // 2
        claimed = (box[0], box[1], box[half], box[half + 1])
        if claimed[0] <= claimed[2] and any(
            abs(one - other) > 1e-3 for one, other in zip(claimed, (west, south, east, north), strict=True)
        ):
            raise BadFileError("its bbox is not that of its geometry")
        if claimed[0] > claimed[2]:  # over the antimeridian
            return float(claimed[0]), south, float(claimed[2]), north
    return west, south, east, north


def _list_assets(held: Mapping[str, Any], find_uri: Any) -> tuple[ItemAsset, ...]:
    found = []
    for key, asset in held["assets"].items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str) or not asset["href"]:
            raise BadFileError(f"its asset {key[:60]!r} has no href")
        found.append(_read_asset(key, asset, held["properties"], find_uri(asset["href"])))
    return tuple(found)


def _read_asset(key: str, asset: Mapping[str, Any], properties: Mapping[str, Any], uri: str) -> ItemAsset:
    bands = asset.get("bands") or asset.get("eo:bands") or []
    bands = [band for band in bands if isinstance(band, dict)][:MOST_BANDS] if isinstance(bands, list) else []
    waves = [_number(band.get("eo:center_wavelength", band.get("center_wavelength"))) for band in bands]
    raster = asset.get("raster:bands")
    first = raster[0] if isinstance(raster, list) and raster and isinstance(raster[0], dict) else {}
    size = asset.get("file:size")
    return ItemAsset(
        key=key[:200], uri=uri, media_type=str(asset.get("type") or "")[:200],
        roles=tuple(str(role)[:60] for role in asset.get("roles") or () if isinstance(role, str)),
        bands=tuple(str(band.get("name") or number)[:60] for number, band in enumerate(bands, start=1)),
        wavelengths_nm=tuple(round(wave * 1e3, 3) for wave in waves if wave) if all(waves) else (),
        epsg=_find_code(asset, properties), transform=_find_transform(asset, properties),
        shape=_find_shape(asset, properties), nodata=_number(asset.get("nodata", first.get("nodata"))),
        sha256=_find_sha256(asset), size_bytes=size if isinstance(size, int) and size >= 0 else None,
    )  # fmt: skip


def _say(asset: Mapping[str, Any], properties: Mapping[str, Any], name: str) -> Any:
    return asset.get(name, properties.get(name))


def _find_code(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> int | None:
    code = _say(asset, properties, "proj:code") or _say(asset, properties, "proj:epsg")
    return None if code is None else find_epsg(f"EPSG:{code}" if isinstance(code, int) else str(code))


def _find_transform(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> Transform | None:
    held = _say(asset, properties, "proj:transform")
    if not isinstance(held, list) or len(held) < 6:
        return None
    numbers = [_number(number) for number in held[:6]]
    a, b, c, d, e, f = (math.nan if number is None else number for number in numbers)
    return None if None in numbers else (a, b, c, d, e, f)


def _find_shape(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> tuple[int, int] | None:
    held = _say(asset, properties, "proj:shape")
    is_plain = isinstance(held, list) and len(held) == 2 and all(isinstance(side, int) and side > 0 for side in held)
    return (held[0], held[1]) if is_plain else None


def _find_sha256(asset: Mapping[str, Any]) -> str:
    """Out of a multihash: 0x12 is sha2-256, 0x20 its 32 bytes."""
    text = str(asset.get("file:checksum") or "").lower()
    is_sha256 = text.startswith("1220") and len(text) == 68 and all(letter in "0123456789abcdef" for letter in text)
    return text[4:] if is_sha256 else ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _find_local(href: str, folder: Path, inside: Path) -> str:
    """An address as it is, or the absolute path of a file below `inside`, links followed."""
    scheme = _split(href).scheme.lower()
    if scheme in REMOTE:
        return href
    if scheme not in ("", "file") or "\0" in href or href.startswith("/vsi"):
        raise BadFileError(f"its asset at {href[:80]!r} is reached in no way that is known; https, s3 and paths are")
    text = unquote(_split(href).path) if scheme == "file" else href
    found = (folder / text).resolve()
    if not found.is_relative_to(inside):
        raise BadFileError(f"its asset at {href[:80]!r} leads out of the folder {inside.name}")
    return str(found)


def _split(href: str) -> SplitResult:
    """The parts of an address; some signs make none."""
    try:
        return urlsplit(href)
    except ValueError as error:
        raise BadFileError(f"its asset at {href[:80]!r} is no address ({error})") from error


def _find_remote(href: str, base: str) -> str:
    _split(href)
    found = urljoin(base, href) if not base.startswith("s3://") else _join_s3(href, base)
    if urlsplit(found).scheme.lower() not in REMOTE:
        raise BadFileError(f"its asset at {href[:80]!r} is no address, and the item lies far away")
    return found


def _join_s3(href: str, base: str) -> str:
    """urljoin does not know s3."""
    if urlsplit(href).scheme:
        return href
    return "s3:" + urljoin("http:" + base.removeprefix("s3:"), href).removeprefix("http:")
