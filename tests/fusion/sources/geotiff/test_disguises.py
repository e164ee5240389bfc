"""Files that pretend: refused before they open another file, write one or call out; side-cars change nothing."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from rasterio.warp import reproject

from fusion.errors import BadRasterError
from fusion.grid import Cell
from fusion.modality import Modality
from fusion.sources.geotiff import inspect, read_cell, read_for_web, read_tags, read_window, write_cog

CELL = Cell(zone=32, north=True, size_m=320, column=1875, row=16563)
GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)
SECRET = 4321
PLACE = "<SRS>EPSG:32632</SRS><GeoTransform>600000,10,0,5300480,0,-10</GeoTransform>"
VRT_BAND = '<VRTRasterBand dataType="UInt16" band="1">{}</VRTRasterBand>'
DISGUISES = (
    "vrt", "vrt raw", "vrt subdataset", "vrt curl", "vrt warped", "wms",
    "tms", "mrf", "mrf cached", "gti", "stac", "png",
)  # fmt: skip


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port on the loopback and what reached it."""
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                heard.append(connection.recv(200))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1], heard
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file elsewhere whose one value must never be seen."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return write_cog(folder / "canary.tif", np.full((1, 64, 64), SECRET, "uint16"), epsg=32632, transform=GRID)


def disguise(kind: str, canary: Path, port: int, folder: Path) -> bytes:
    """The content of a file that some driver of GDAL would open under any name."""
    vrt = '<VRTDataset rasterXSize="64" rasterYSize="64">' + PLACE + VRT_BAND + "</VRTDataset>"
    simple = "<SimpleSource><SourceFilename>{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    url = f"http://127.0.0.1:{port}/x.tif"
    if kind == "vrt raw":
        raw = f"<SourceFilename>{canary}</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>2</PixelOffset>"
        band = f'<VRTRasterBand dataType="UInt16" band="1" subClass="VRTRawRasterBand">{raw}</VRTRasterBand>'
        return f'<VRTDataset rasterXSize="8" rasterYSize="8">{PLACE}{band}</VRTDataset>'.encode()
    if kind == "png":
        image = folder / "picture"
        with rasterio.open(image, "w", driver="PNG", count=1, width=8, height=8, dtype="uint8") as dataset:
            dataset.write(np.ones((1, 8, 8), "uint8"))
        content = image.read_bytes()
        for path in folder.glob("picture*"):
            path.unlink()
        return content
    mrf = (
        '<MRF_META>{}<Raster><Size x="64" y="64" c="1"/><PageSize x="64" y="64" c="1"/><DataType>UInt16</DataType>'
        f"<DataFile>{folder}/written.data</DataFile><IndexFile>{folder}/written.idx</IndexFile></Raster></MRF_META>"
    )
    text = {
        "vrt": vrt.format(simple.format(canary)),
        "vrt subdataset": vrt.format(simple.format(f"GTIFF_DIR:1:{canary}")),
        "vrt curl": vrt.format(simple.format(f"/vsicurl/{url}")),
        "vrt warped": '<VRTDataset rasterXSize="64" rasterYSize="64" subClass="VRTWarpedDataset"><GDALWarpOptions>'
        f"<SourceDataset>{canary}</SourceDataset></GDALWarpOptions></VRTDataset>",
        "wms": f'<GDAL_WMS><Service name="TMS"><ServerUrl>{url}</ServerUrl></Service><DataWindow>'
        "<UpperLeftX>0</UpperLeftX><UpperLeftY>9</UpperLeftY><LowerRightX>9</LowerRightX><LowerRightY>0</LowerRightY>"
        "<SizeX>9</SizeX><SizeY>9</SizeY></DataWindow></GDAL_WMS>",
        "tms": f'<TileMap version="1.0.0" tilemapservice="{url}"><SRS>EPSG:3857</SRS></TileMap>',
        "mrf": mrf.format(""),
        "mrf cached": mrf.format(f"<CachedSource><Source>{canary}</Source></CachedSource>"),
        "gti": f"<GDALTileIndexDataset><IndexDataset>{canary}</IndexDataset></GDALTileIndexDataset>",
        "stac": '{"type":"Feature","stac_version":"1.0.0","id":"x","assets":{"a":{"href":"'
        + url
        + '","eo:bands":[]}}}',
    }
    return text[kind].encode()


def every_door(path: Path, modality: Modality) -> list[str]:
    """What each public reader says of a file that all of them must refuse."""
    doors = (
        lambda: inspect([path], modality),
        lambda: read_window(path),
        lambda: read_cell(path, ["value"], CELL),
        lambda: read_for_web(path),
        lambda: read_tags(path),
    )
    said = []
    for door in doors:
        with pytest.raises(BadRasterError) as caught:
            door()
        said.append(str(caught.value))
    return said


@pytest.mark.parametrize("kind", DISGUISES)
@pytest.mark.parametrize("after_a_reprojection", [False, True])
def test_a_disguised_file_is_refused_by_every_reader(
    tmp_path: Path,
    plain: Modality,
    canary: Path,
    listener: tuple[int, list[bytes]],
    kind: str,
    after_a_reprojection: bool,
) -> None:
    if after_a_reprojection:  # a reprojection registers drivers again (C1b)
        read_for_web(canary)
        reproject(
            np.ones((8, 8), "uint8"), np.zeros((8, 8), "uint8"), src_transform=Affine(*GRID), src_crs="EPSG:32632",
            dst_transform=Affine(*GRID), dst_crs="EPSG:32633",
        )  # fmt: skip
    folder = tmp_path / "upload"
    folder.mkdir()
    path = folder / "a.tif"
    path.write_bytes(disguise(kind, canary, listener[0], folder))
    before = canary.stat()
    for sentence in every_door(path, plain):
        assert "a.tif" in sentence
        assert str(SECRET) not in sentence
    assert canary.stat().st_atime_ns == before.st_atime_ns
    assert sorted(tmp_path.rglob("*")) == sorted([canary.parent, canary, folder, path])
    assert listener[1] == []


def test_the_disguises_do_open_without_our_door(tmp_path: Path, canary: Path) -> None:
    """Without this the tests above could pass because the files are harmless."""
    path = tmp_path / "a.tif"
    path.write_bytes(disguise("vrt", canary, 0, tmp_path))
    with rasterio.open(path) as dataset:
        assert (dataset.read() == SECRET).all()


def test_a_network_name_or_a_missing_file_is_no_file(tmp_path: Path) -> None:
    for name in (
        "/vsicurl/http://127.0.0.1:9/x.tif",
        "zip+file:///x.zip",
        "GTIFF_DIR:1:x.tif",
        str(tmp_path / "none.tif"),
    ):
        with pytest.raises(BadRasterError, match="no such file"):
            read_window(name)


def write_side_cars(path: Path, canary: Path) -> None:
    vrt = (
        f'<VRTDataset rasterXSize="{{0}}" rasterYSize="{{0}}"><VRTRasterBand dataType="{{1}}" band="1"><SimpleSource>'
        f"<SourceFilename>{canary}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    Path(f"{path}.ovr").write_text(vrt.format(32, "UInt16"))
    Path(f"{path}.msk").write_text(vrt.format(64, "Byte"))
    Path(f"{path}.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:32701</SRS><GeoTransform>0,1,0,0,0,-1</GeoTransform><Metadata>"
        '<MDI key="OFFSET">-7</MDI></Metadata>'
        '<PAMRasterBand band="1"><NoDataValue>5</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    path.with_suffix(".tfw").write_text("1\n0\n0\n-1\n5\n5\n")


def test_side_cars_are_never_read(
    tmp_path: Path, plain: Modality, canary: Path, write_tiff: Callable[..., Path]
) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, np.full((1, 64, 64), 5, "uint16"))
    alone = inspect([path], plain)[0]
    write_side_cars(path, canary)
    with rasterio.open(path) as dataset:  # they do work where nobody stops them
        assert dataset.tags()["OFFSET"] == "-7"
    assert inspect([path], plain)[0] == alone
    array, valid = read_window(path)
    assert valid.all()
    assert (array == 5).all()
    assert "OFFSET" not in read_tags(path)
    shown, mask, _ = read_for_web(path, longest_side=8)
    assert set(shown[0][mask].tolist()) == {5}


def test_a_lone_world_file_places_nothing(tmp_path: Path, plain: Modality, write_tiff: Callable[..., Path]) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, np.ones((1, 8, 8), "uint8"), transform=Affine.identity())
    path.with_suffix(".tfw").write_text("10\n0\n0\n-10\n600005\n5300475\n")
    with pytest.raises(BadRasterError, match="south to north"):
        inspect([path], plain)
