"""STAC Items: local JSON or from an object store; their assets are read where they lie, by range."""

from fusion.source import Source
from fusion.sources.stac.assets import AssetHeader, inspect_asset, read_asset
from fusion.sources.stac.items import SUFFIXES, inspect_item, read_item
from fusion.sources.stac.remote import AllowedHost, RemoteFiles, S3Endpoint

__all__ = [
    "SOURCE",
    "AllowedHost",
    "AssetHeader",
    "RemoteFiles",
    "S3Endpoint",
    "inspect_asset",
    "inspect_item",
    "read_asset",
    "read_item",
]

SOURCE = Source(name="stac", title="STAC Item", suffixes=SUFFIXES, look=inspect_item)
