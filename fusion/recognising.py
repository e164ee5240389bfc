"""Which source reads a file or folder, told by what lies in it; and what its bands say that it shows."""

import json
import zlib
from pathlib import Path

import numpy as np

from fusion import modality as modalities
from fusion.bounded import Bounds
from fusion.errors import BadInputError, BadRasterError, UnknownKindError
from fusion.modality import Modality
from fusion.sources.band_folders import find_layout
from fusion.sources.geotiff.inspection import SUFFIXES as RASTER_SUFFIXES
from fusion.sources.geotiff.naming import WAVELENGTHS, name_bands, name_file_band
from fusion.sources.geotiff.opening import TIFF_STARTS, open_raster
from fusion.sources.geotiff.upload_child import check_process
from fusion.sources.geotiff.uploads import run_pinned
from fusion.sources.posts.reading import REQUIRED as POST_COLUMNS
from fusion.sources.stations import TIMES, UMEP_START
from fusion.sources.vectors.formats import find_driver
from fusion.sources.video.folders import BESIDE

HEAD_BYTES, MOST_START, MOST_JSON = 4_096, 2**18, 16 * 2**20
STARTS = (
    (b"LASF", "point_cloud"), (b"\x93NUMPY", "cubes"), (b"PK\3\4", "cubes"), (b"MATLAB ", "cubes"), (b"ENVI", "envi"),
    (b"\xff\xd8\xff", "photos"), (b"\x89PNG", "photos"), (b"\x1aE\xdf\xa3", "video"),
    *((one, "geotiff") for one in TIFF_STARTS),
)  # fmt: skip
HDF5_START = b"\x89HDF\r\n\x1a\n"
HEIGHT_WORDS = {"dem", "dsm", "dtm", "elevation", "height", "heights"}
VAGUE = {"osm"}  # its band is called class, as that of any map of classes
LEAST_CUBE = 20  # bands: no sensor of a few broad bands has as many
NEXT_STEP = "State what it shows (modality), and its bands in file order if they have no names"
CHILD_BOUNDS = Bounds(seconds=30, memory_bytes=2 * 2**30)


def find_source(path: Path) -> str:
    """The name of the source that reads a file or a folder as one; UnknownKindError says why there is none."""
    if path.is_dir():
        return _find_folder(path)
    if not path.is_file():
        raise BadInputError(f"{path}: no such file or folder. Give one that is there.")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = next((source for start, source in STARTS if head.startswith(start)), None)
    if found == "geotiff" or path.suffix.lower() in RASTER_SUFFIXES:  # which says of a false one what it is
        return "band_folders" if _has_layout(path) else "geotiff"
    if found is not None and (found != "cubes" or head[:2] != b"PK" or path.suffix.lower() == ".npz"):
        return found
    return _find_by_content(path, head)


def is_one_raster(folder: Path, modality: Modality | None = None) -> bool:
    """Whether a folder is one scene: a product of a known name, or a file per band beside each other."""
    if _has_layout(folder):
        return True
    bands = modality.band_names if modality is not None else ()
    files = [path for path in folder.iterdir() if path.suffix.lower() in RASTER_SUFFIXES]
    return len(files) > 1 and len({name_file_band(path, bands) for path in files} & set(bands)) > 1


def find_modality(path: Path, source: str) -> str:
    """What a raster shows, as the names of its folder or bands say; refused with what to state where they do not."""
    if source == "band_folders" and path.is_dir():
        return "sentinel1_grd" if path.name.startswith("S1") else "sentinel2"
    if source == "band_folders":
        return "sentinel2"  # EuroSAT
    with open_raster(path) as dataset:
        names = name_bands(path, dataset.descriptions)
        has_waves, stored = WAVELENGTHS in dataset.tags(), np.dtype(dataset.dtypes[0])
    if has_waves or len(names) >= LEAST_CUBE:
        return "hyperspectral"
    fitting = [one for one in modalities.load_all().values() if _fits(one, names, stored)]
    if fitting:
        best = max(fitting, key=lambda one: len(one.bands)).name
        return "sentinel2" if best.startswith("sentinel2_l") else best
    if len(names) == 1 and HEIGHT_WORDS & set(path.stem.lower().replace("-", "_").split("_")):
        return "elevation"
    held = ", ".join(name or "one without a name" for name in names[:12])
    raise BadRasterError(f"{path.name}: its bands ({held}) do not say what it shows. {NEXT_STEP}; array is any other.")


def find_upload_modality(path: Path, source: str) -> str:
    """As `find_modality`, in a bounded child: for files that nobody has looked at yet."""
    told = run_pinned(
        "fusion.recognising:answer", about=path.name, bounds=CHILD_BOUNDS, path=str(path.absolute()), source=source
    )
    return told.decode()


def answer(path: str, source: str) -> bytes:
    """What the child says, which knows five drivers."""
    check_process()
    return find_modality(Path(path), source).encode()


def _fits(modality: Modality, names: tuple[str, ...], stored: np.dtype[np.generic]) -> bool:
    own = set(modality.band_names)
    is_complex = stored.kind == "c"
    return (
        bool(own)
        and modality.name not in VAGUE
        and own <= set(names)
        and modality.kind == ("complex" if is_complex else "raster")
    )


def _has_layout(path: Path) -> bool:
    try:
        find_layout(path)
    except BadRasterError:
        return False
    return True


def _find_folder(path: Path) -> str:
    if _has_layout(path):
        return "band_folders"
    if (path / BESIDE).is_file():
        return "video"
    raise UnknownKindError(
        f"{path.name}: a folder that is no scene of a known data set and no video ({BESIDE} beside the frames). "
        "Give its files, or say what it shows."
    )


def _find_by_content(path: Path, head: bytes) -> str:
    suffix = path.suffix.lower()
    if HDF5_START in (head[:8], head[512:520]):
        return "cubes" if suffix == ".mat" else "so2sat_hdf5"
    if head[8:12] == b"WEBP":
        return "photos"
    if head[4:8] == b"ftyp" or head[8:12] == b"AVI ":
        return "video"
    if suffix in (".jsonl", ".ndjson"):
        return "posts"
    if _is_item(path, head):
        return "stac"
    try:
        is_shapes = find_driver(path) != "GeoJSON" or _says_shapes(path)
    except BadInputError:
        is_shapes = False
    return "vectors" if is_shapes else _find_table(path, head)


def _is_item(path: Path, head: bytes) -> bool:
    """A STAC Item is GeoJSON with a version of its own."""
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") or path.stat().st_size > MOST_JSON:
        return False
    try:
        held = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(held, dict) and held.get("type") == "Feature" and "stac_version" in held


def _says_shapes(path: Path) -> bool:
    """Whether JSON speaks of shapes: other JSON is none of ours."""
    with path.open("rb") as file:
        start = file.read(MOST_START)
    return any(word in start for word in (b'"Feature', b'"coordinates"', b'"GeometryCollection"'))


def _find_table(path: Path, head: bytes) -> str:
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, HEAD_BYTES)
        except zlib.error:
            head = b""
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0].decode("utf-8", "replace").strip().lower()
    if line.startswith("ncols"):
        return "ascii_grid"
    if tuple(line.replace("%", "").split()[:4]) == UMEP_START:
        return "stations"
    columns = [name.strip().strip('"') for name in line.split(",")]
    if set(POST_COLUMNS) <= set(columns):
        return "posts"
    if set(TIMES) & set(columns):
        return "stations"
    if _is_envi_raw(path):
        return "envi"
    raise UnknownKindError(
        f"{path.name}: no source knows what it holds (it starts with {head[:16]!r}). Tables need the columns id and "
        "text (posts) or a time (weather); leave it out, or write it in a format that is read."
    )


def _is_envi_raw(path: Path) -> bool:
    """Raw pixels are told by the header beside them."""
    names = (path.with_suffix(".hdr"), path.with_suffix(".HDR"), path.with_name(path.name + ".hdr"))
    return any(name != path and name.is_file() for name in names)
