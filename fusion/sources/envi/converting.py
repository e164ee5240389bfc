"""An ENVI file written anew as a COG, for readers that know GeoTIFF alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fusion.errors import BadFileError
from fusion.file_info import ArrayInfo
from fusion.sources.envi.reading import inspect_envi, read_bands
from fusion.sources.geotiff.naming import WAVELENGTHS
from fusion.sources.geotiff.writing import write_cog

MOST_BYTES = 2 * 2**30


def write_as_cog(path: Path, target: Path, band_names: Sequence[str] | None = None) -> ArrayInfo:
    """Write the same numbers with place, nodata, scale and wavelengths to `target`; what was taken is returned.

    `band_names` replace those of the header, which are often sentences.
    """
    [info] = inspect_envi(path)
    if info.epsg is None or info.transform is None:
        raise BadFileError(f"{path.name}: it has no place, so that no GeoTIFF can be made of it.")
    names = tuple(band_names) if band_names is not None else info.bands
    if len(names) != len(info.bands):
        raise BadFileError(f"{path.name}: it has {len(info.bands)} bands, {len(names)} names were given.")
    values, _ = read_bands(path)
    if values.nbytes > MOST_BYTES:
        raise BadFileError(f"{path.name}: {values.nbytes:,} bytes are more than is written at once. Cut it first.")
    waves = ",".join(f"{wave:.10g}" for wave in info.wavelengths_nm)
    write_cog(
        target, values, epsg=info.epsg, transform=info.transform, nodata=info.nodata, band_names=names,
        scale=info.scale if info.scale != 1.0 else None, tags={WAVELENGTHS: waves} if waves else None,
    )  # fmt: skip
    return replace(info, bands=names)
