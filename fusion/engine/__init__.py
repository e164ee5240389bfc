"""The only place that imports torch; needs no rasterio, geopandas or Django."""

import os

from fusion.errors import UnsafeEnvironmentError

# With the first, torch.load runs the code in a pickled file although nobody asked for it. Set to 0, the second leaves
# off what protects calls that say nothing. Code that must be fetched to be run is never wanted.
REFUSED = {
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": ("1", "y", "yes", "true", "on"),
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": ("0", "n", "no", "false", "off"),
    "HF_HUB_TRUST_REMOTE_CODE": ("1", "y", "yes", "true", "on"),
}


def refuse_unsafe_environment() -> None:
    """UnsafeEnvironmentError where a variable turns off what keeps weights from running code."""
    for name, refused in REFUSED.items():
        value = os.environ.get(name, "").strip().lower()
        if value in refused:
            raise UnsafeEnvironmentError(
                f"{name}={value} lets files of weights run code. Unset it, then start again: weights here are "
                "safetensors, which never need it."
            )


refuse_unsafe_environment()
