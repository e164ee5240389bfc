"""Posts from social media as CSV or JSON lines: all or nothing, without names, addresses and numbers of people."""

from fusion.source import Source
from fusion.sources.posts.reading import SUFFIXES, read_posts
from fusion.sources.posts.scrub import scrub

__all__ = ["SOURCE", "read_posts", "scrub"]

SOURCE = Source(name="posts", title="Posts as CSV or JSON lines", suffixes=SUFFIXES, read_posts=read_posts)
