"""Files that pretend to be GeoTIFFs, and side-cars that lead elsewhere: what drivers of GDAL would open and follow."""

from pathlib import Path

import numpy as np
import rasterio

from fusion.grid import Cell

CELL = Cell(zone=32, north=True, size_m=320, column=1875, row=16563)
GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)
SECRET = 4321
PLACE = "<SRS>EPSG:32632</SRS><GeoTransform>600000,10,0,5300480,0,-10</GeoTransform>"
VRT_BAND = '<VRTRasterBand dataType="UInt16" band="1">{}</VRTRasterBand>'
DISGUISES = (
    "vrt", "vrt raw", "vrt subdataset", "vrt curl", "vrt warped", "wms",
    "tms", "mrf", "mrf cached", "gti", "stac", "png",
)  # fmt: skip


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


def write_side_cars(path: Path, canary: Path) -> None:
    """Overviews and a mask that are another file, and a place, offset and nodata value that are not the file's."""
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
