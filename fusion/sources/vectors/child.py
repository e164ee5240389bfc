"""What runs in a child process that knows one driver alone: layers, and their shapes as Arrow."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from fusion.errors import BadFileError
from fusion.sources.vectors.formats import LAYERS_OSM, stage

SKIP = "OGR_SKIP"


def read(path: str, driver: str, layer: str | None, is_whole: bool, most: int, where: str | None = None) -> bytes:
    """Layers as Arrow streams, one after the other, behind a line of JSON that says their names and lengths.

    `is_whole` asks for every layer with shapes; else it is `layer`, or the only one where none is named.
    """
    pyogrio = _load(driver)
    staged = stage(Path(path), driver, Path.cwd())
    try:
        names = [str(name) for name, kind in pyogrio.list_layers(staged) if kind is not None]
    except Exception as error:  # GDAL's errors come as several kinds
        raise _broken(path, error) from error
    if driver == "OSM":
        names = [name for name in names if name in LAYERS_OSM]
    if not is_whole:
        names = [_choose(path, layer, names)]
    streams = [_read_layer(pyogrio, path, staged, driver, name, most, where) for name in names]
    told = {"names": names, "lengths": [len(stream) for stream in streams], "skipped": os.environ.get(SKIP, "")}
    return b"\n".join([json.dumps(told).encode(), b"".join(streams)])


def _choose(path: str, layer: str | None, names: list[str]) -> str:
    if layer is None and len(names) == 1:
        return names[0]
    if layer not in names:
        known = ", ".join(names[:20]) or "none"
        raise BadFileError(f"{Path(path).name}: no layer {layer!r}. There are {known}.")
    return layer


def _read_layer(
    pyogrio: Any, path: str, staged: Path, driver: str, layer: str, most: int, where: str | None
) -> bytes:  # fmt: skip
    """The layer as an Arrow stream, geometry as WKB; its CRS and geometry column stand in the schema's metadata."""
    import pyarrow as pa

    options: dict[str, Any] = {"TAGS_FORMAT": "JSON"} if driver == "OSM" else {}
    options |= {"layer": layer, "max_features": most + 1, "where": where, "datetime_as_string": True}
    note = ""
    try:
        try:
            about, table = pyogrio.read_arrow(staged, **options)
        except UnicodeDecodeError:  # an old .dbf without a .cpg beside it
            about, table = pyogrio.read_arrow(staged, encoding="ISO-8859-1", **options)
            note = "Its text is not UTF-8 and says no encoding, read as ISO 8859-1"
    except Exception as error:
        raise _broken(path, error) from error
    if table.num_rows > most:
        raise BadFileError(
            f"{Path(path).name}: layer {layer} has more than {most:,} shapes. Cut it into smaller files."
        )
    known = {
        "crs": about["crs"] or "", "geometry": about["geometry_name"] or "wkb_geometry",
        "states_crs": "yes" if _states_crs(staged, driver) else "", "note": note,
    }  # fmt: skip
    plain = pa.table({name: _plain(table.column(name)) for name in table.column_names})
    content = pa.BufferOutputStream()
    with pa.ipc.new_stream(content, plain.schema.with_metadata(known)) as stream:
        stream.write_table(plain.replace_schema_metadata(known))
    return bytes(content.getvalue().to_pybytes())


def _plain(column: Any) -> Any:
    """Without extension types, which the reader may not know."""
    import pyarrow as pa

    kind = column.type
    return column.cast(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else column


def _states_crs(staged: Path, driver: str) -> bool:
    """Whether GeoJSON names a CRS in its old way; all else follows RFC 7946 and is WGS 84."""
    if driver != "GeoJSON":
        return True
    with staged.open("rb") as file:
        return b'"crs"' in file.read(65_536)


def _load(driver: str) -> Any:
    """pyogrio with this driver alone. Drivers are skipped as GDAL starts: where there are more, start once again."""
    sys.modules["pandas"] = None  # type: ignore[assignment]  # takes a second to load and is not needed
    import pyogrio

    others = sorted(set(pyogrio.list_drivers()) - {driver, "MEM", "Memory"})
    if others and SKIP not in os.environ:
        command = [sys.executable, "-P", "-m", "fusion.bounded"]
        os.execve(sys.executable, command, os.environ | {SKIP: ",".join(others)})
    if others:
        raise BadFileError(f"GDAL keeps the drivers {', '.join(others)} beside {driver}: nothing is opened with them.")
    if driver not in pyogrio.list_drivers():
        raise BadFileError(f"This GDAL has no driver {driver}. Install a pyogrio that has it.")
    return pyogrio


def _broken(path: str, error: Exception) -> BadFileError:
    cause = str(error).split("\n")[0].replace(str(Path.cwd()), "")[:200]
    return BadFileError(f"{Path(path).name}: its shapes cannot be read ({cause}). Fetch or write it again.")
