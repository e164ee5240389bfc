"""On row C9: of forty-three formats of pictures only JPEG, PNG and WebP are opened, whatever a file is called."""

import io
from pathlib import Path

import pytest
from PIL import Image

from fusion.errors import BadPhotoError
from fusion.sources.photos import read_photo
from tests.fusion.sources.picture_formats import TAKEN, write_all

FORMATS = 43


@pytest.fixture(scope="module")
def samples() -> dict[str, bytes]:
    found = write_all()
    Image.init()
    return {name: found[name] for name in sorted(Image.OPEN) if name in found}


def opens(content: bytes) -> bool:
    """Whether Pillow takes it for a picture where nobody names the formats."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.format is not None
    except (OSError, SyntaxError, ValueError):
        return False


@pytest.mark.filterwarnings("ignore")
def test_there_is_a_sample_of_every_format_and_pillow_would_open_nearly_all(samples: dict[str, bytes]) -> None:
    """Without this the next test could pass because the samples are nothing at all."""
    Image.init()
    assert len(Image.OPEN) >= FORMATS
    assert sorted(Image.OPEN.keys() - samples.keys()) == []
    closed = [name for name, content in samples.items() if not opens(content)]
    assert set(closed) <= {"DCX", "FLI", "IMT", "IPTC"}, "these four are begun too roughly"


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_only_three_formats_are_opened(tmp_path: Path, samples: dict[str, bytes], ending: str) -> None:
    taken, refused = set(), {}
    for name, content in samples.items():
        path = tmp_path / f"{name.lower()}{ending}"
        path.write_bytes(content)
        try:
            read_photo(path)
            taken.add(name)
        except BadPhotoError as error:
            refused[path.name] = str(error)
    assert taken == TAKEN
    for name, said in refused.items():
        assert f"{name} is not a JPEG, PNG or WebP. Convert it to one of them first." in said
    assert len(samples) >= FORMATS
