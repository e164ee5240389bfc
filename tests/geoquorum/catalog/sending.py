"""Files sent by the page as a curator's browser sends them, and what lies in a folder before and after."""

import hashlib
from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from geoquorum.accounts.models import Event, Project
from geoquorum.catalog.models import Asset, Post, Reference, Region, Sample, Scene

KEPT = (Region, Scene, Asset, Sample, Post, Reference, Event)


def file(name: str, content: str | bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


def send(client: Client, project: Project, kind: str, **fields: object) -> tuple[int, str]:
    """The status and the words of the page that follows."""
    answer = client.post(reverse("catalog:files", args=[project.slug]), {"kind": kind} | fields, follow=True)
    return answer.status_code, answer.content.decode()


def list_files(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder by its path there; links are named, not followed."""
    return {
        str(path.relative_to(folder)): "link" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def count_rows() -> list[int]:
    """Rows of every table that files are taken into."""
    return [model.objects.count() for model in KEPT]
