"""The only place that imports torch; needs no rasterio, geopandas or Django."""

import os

from fusion.errors import UnsafeEnvironmentError

# With the first, torch.load runs the code in a pickled file although nobody asked for it; with the second, libraries on
# top of it fetch code and run it.
REFUSED = ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "HF_HUB_TRUST_REMOTE_CODE")
HARMLESS = ("", "0", "n", "no", "false", "off")


def refuse_unsafe_environment() -> None:
    """UnsafeEnvironmentError where a variable turns off what keeps weights from running code."""
    for name in REFUSED:
        value = os.environ.get(name, "").strip()
        if value.lower() not in HARMLESS:
            raise UnsafeEnvironmentError(
                f"{name}={value} lets files of weights run code. Unset it, then start again: weights here are "
                "safetensors, which never need it."
            )


refuse_unsafe_environment()
