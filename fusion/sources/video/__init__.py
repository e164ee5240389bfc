"""Videos: folders of numbered or dated frames, and video files where the decoder of the extra `video` is installed."""

from fusion.source import Source
from fusion.sources.video.files import VIDEO_SUFFIXES, read_video_frames
from fusion.sources.video.folders import inspect_frames, read_frame

__all__ = ["SOURCE", "inspect_frames", "read_frame", "read_video_frames"]

SOURCE = Source(
    name="video", title="Frame folders and video files", suffixes=VIDEO_SUFFIXES, look=inspect_frames
)  # fmt: skip
