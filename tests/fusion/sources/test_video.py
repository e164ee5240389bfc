"""Frames and videos: in the order of time, of one size, with the place that is said; what is broken is named."""

import json
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from fusion.errors import BadFileError
from fusion.sources.video import inspect_frames, read_frame, read_video_frames


def make_frames(folder, *names, size=(32, 24)):
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", size, (number * 10, 0, 0)).save(folder / name)
    return folder


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    folder = make_frames(tmp_path / "clip", "f1.png", "f9.png", "f10.png")
    [info] = inspect_frames(folder)
    assert (info.frames, info.width, info.height, info.channels) == (3, 32, 24, 3)
    assert "No times" in info.notes[0]
    assert [int(read_frame(folder, number)[0, 0, 0]) for number in range(3)] == [0, 10, 20]
    with pytest.raises(BadFileError, match="no frame 3; there are 3"):
        read_frame(folder, 3)


def test_moments_in_names_are_times(tmp_path):
    folder = make_frames(tmp_path / "clip", "x_20260501T100002.png", "x_20260501T100000.png", "x_20260501T100001.png")
    [info] = inspect_frames(folder)
    assert info.times[0] == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert info.frames_per_second == 1.0
    assert int(read_frame(folder, 2)[0, 0, 0]) == 0


def test_pace_and_place_come_from_the_file_beside(tmp_path):
    folder = make_frames(tmp_path / "clip", "1.png", "2.png")
    said = {
        "start": "2026-05-01T10:00:00Z",
        "frames_per_second": 4,
        "epsg": 32632,
        "transform": [1, 0, 6e5, 0, -1, 53e5],
    }
    (folder / "frames.json").write_text(json.dumps(said))
    [info] = inspect_frames(folder)
    assert info.times[1] == datetime(2026, 5, 1, 10, 0, 0, 250_000, tzinfo=UTC)
    assert (info.epsg, info.transform) == (32632, (1.0, 0.0, 6e5, 0.0, -1.0, 53e5))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{", "is no JSON"), ("[]", "one JSON object"), ('{"frames_per_second": 0}', "a pace or a transform"),
        ('{"epsg": 32632}', "needs both"), ('{"start": "soon"}', "cannot be read"),
        ('{"epsg": 4326, "transform": [1, 0, 500, 0, -1, 20]}', "its longitudes leave"),
        ('{"epsg": 32632, "transform": [1, 0]}', "cannot be read"),
    ],
)  # fmt: skip
def test_a_statement_that_cannot_be_is_refused(tmp_path, said, words):
    folder = make_frames(tmp_path / "clip", "1.png")
    (folder / "frames.json").write_text(said)
    with pytest.raises(BadFileError, match="clip: ") as caught:
        inspect_frames(folder)
    assert words in str(caught.value)


def test_frames_that_do_not_belong_together_are_refused(tmp_path):
    folder = make_frames(tmp_path / "clip", "1.png", "2.png")
    Image.new("RGB", (16, 16)).save(folder / "3.png")
    with pytest.raises(BadFileError, match=r"3\.png has another size"):
        inspect_frames(folder)
    (folder / "3.png").write_bytes(b"<svg/>")
    with pytest.raises(BadFileError, match=r"3\.png is broken"):
        inspect_frames(folder)
    (folder / "3.png").unlink()
    (folder / "3.png").symlink_to("/etc/hostname")
    assert inspect_frames(folder)[0].frames == 2
    with pytest.raises(BadFileError, match="no frame ends in"):
        inspect_frames(make_frames(tmp_path / "empty"))


def write_video(path, frames=6):
    av = pytest.importorskip("av", reason="the decoder of video files is not installed")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(5))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            picture = np.full((48, 64, 3), number * 40, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_a_video_file_is_decoded_in_its_order(tmp_path):
    path = write_video(tmp_path / "clip.mp4")
    [info] = inspect_frames(path)
    assert (info.frames, info.width, info.height, info.frames_per_second) == (6, 64, 48, 5.0)
    frames = read_video_frames(path, 1, 3)
    assert frames.shape == (3, 48, 64, 3)
    assert np.allclose(frames.mean(axis=(1, 2, 3)), [40, 80, 120], atol=6)


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    "content", [PLAYLIST, b"ffconcat version 1.0\nfile /etc/hostname\n", b"", b"\0\0\0\x18ftypmp42"]
)
def test_what_is_no_video_is_refused_by_name(tmp_path, content):
    pytest.importorskip("av", reason="the decoder of video files is not installed")
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(BadFileError, match=r"clip\.mp4: "):
        inspect_frames(tmp_path / "clip.mp4")


def test_a_cut_video_is_refused(tmp_path):
    path = write_video(tmp_path / "clip.mp4")
    whole = path.read_bytes()
    path.write_bytes(whole[:600])
    with pytest.raises(BadFileError, match=r"clip\.mp4: it holds no video stream"):
        inspect_frames(path)
    start = whole.index(b"mdat") + 8
    path.write_bytes(whole[:start] + b"\xff" * 400 + whole[start + 400 :])
    with pytest.raises(BadFileError, match=r"clip\.mp4: "):
        inspect_frames(path)


def test_without_a_decoder_a_video_is_refused_with_what_to_install(tmp_path, monkeypatch):
    from fusion.sources.video import files

    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    monkeypatch.setattr(files, "is_decoder_there", lambda: False)
    with pytest.raises(BadFileError, match=r"Install geoquorum\[video\], or give a folder of frames"):
        inspect_frames(tmp_path / "clip.mp4")
