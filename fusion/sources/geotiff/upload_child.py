"""What runs in the child that looks at uploads: GDAL with five drivers, checked before a file is opened."""

import json
import os
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

import rasterio
from rasterio.env import GDALVersion

from fusion import modality as modalities
from fusion.errors import BadInputError
from fusion.source import Limits
from fusion.sources.geotiff.inspection import inspect

DRIVERS = {"GTiff", "COG", "PNG", "JPEG", "MEM"}
# GDAL keeps these for itself: they open nothing by themselves, and the first two are never asked to
HARMLESS = {"Memory", "DERIVED"}
SKIP = ("GDAL_SKIP", "OGR_SKIP")
# GDAL's files far away open by any driver, since they are no driver: an ending that no address has lets none through
NO_NETWORK = {"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".nothing", "GDAL_HTTP_MAX_RETRY": "0"}
LEAST_GDAL, LEAST_RASTERIO = "3.6", (1, 4)


def inspect_all(
    paths: list[str], modality: str, limits: dict[str, Any], bands: list[str] | None, offset: float | None,
    captured: str | None,
) -> bytes:  # fmt: skip
    """What files hold, as JSON."""
    check_process()
    infos = inspect(
        paths,
        modalities.find(modality),
        limits=Limits(**limits),
        bands=bands,
        offset=offset,
        captured=datetime.fromisoformat(captured) if captured else None,
    )
    return json.dumps([_write_down(asdict(info)) for info in infos]).encode()


def list_drivers() -> bytes:
    """Names of the drivers that this process knows, as JSON."""
    check_process()
    return json.dumps(sorted(find_drivers())).encode()


def find_drivers() -> set[str]:
    """Names of all drivers that are registered."""
    with rasterio.Env() as environment:
        return set(environment.drivers())


def check_process() -> None:
    """Begin once more without all other drivers where there are any; refuse to begin where that did not help."""
    if not GDALVersion.runtime().at_least(LEAST_GDAL):
        raise BadInputError(f"GDAL {rasterio.__gdal_version__} is older than {LEAST_GDAL}: uploads are not opened.")
    if tuple(int(part) for part in rasterio.__version__.split(".")[:2]) < LEAST_RASTERIO:
        raise BadInputError(f"rasterio {rasterio.__version__} is older than 1.4: uploads are not opened.")
    others = find_drivers() - DRIVERS - HARMLESS
    if others and all(name not in os.environ for name in SKIP):
        names = ",".join(sorted(others))
        command = [sys.executable, "-P", "-m", "fusion.bounded"]
        os.execve(sys.executable, command, os.environ | dict.fromkeys(SKIP, names) | NO_NETWORK)
    if others:
        raise BadInputError(f"GDAL keeps the drivers {', '.join(sorted(others))}: uploads are not opened with them.")
    if missing := [name for name, value in NO_NETWORK.items() if os.environ.get(name) != value]:
        raise BadInputError(f"The setting {missing[0]} is not as it must be: uploads are not opened.")


def _write_down(held: dict[str, Any]) -> dict[str, Any]:
    for name in ("captured_from", "captured_to"):
        held[name] = held[name].isoformat() if held[name] else None
    return held | {"path": str(held["path"])}
