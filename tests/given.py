"""Plain functions that make rows for tests."""

import itertools
from typing import Any

from geoquorum.accounts.models import Expert, Membership, Project, User
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign
from geoquorum.catalog.models import Region, Sample

PASSWORD = "a long enough passphrase"
_count = itertools.count(1)


def user(name: str = "", **fields: Any) -> User:
    """An account; its password is PASSWORD."""
    return User.objects.create_user(username=name or f"user{next(_count)}", password=PASSWORD, **fields)


def project(name: str = "", **fields: Any) -> Project:
    """A project without members."""
    number = next(_count)
    return Project.objects.create(name=name or f"Project {number}", slug=f"project-{number}", **fields)


def member(project: Project, role: str = "expert", name: str = "") -> User:
    """An account with a role in a project."""
    account = user(name)
    Membership.objects.create(project=project, user=account, role=role)
    return account


def expert(project: Project, account: User | None = None, **fields: Any) -> Expert:
    """A pseudonym, with or without an account behind it."""
    return Expert.objects.create(project=project, user=account, pseudonym=f"E{next(_count)}", **fields)


def region(project: Project, name: str = "Testford", **fields: Any) -> Region:
    """A region without scenes."""
    return Region.objects.create(project=project, name=name, slug=f"{name.lower()}-{next(_count)}", **fields)


def sample(project: Project, region: Region | None = None, **fields: Any) -> Sample:
    """A patch; without further fields it has no place on the ground."""
    return Sample.objects.create(
        **{"project": project, "region": region, "kind": Sample.Kind.PATCH, "key": f"sample-{next(_count)}"} | fields
    )


def samples(project: Project, count: int, region: Region | None = None) -> list[Sample]:
    """Many patches at once."""
    return Sample.objects.bulk_create(
        Sample(project=project, region=region, kind=Sample.Kind.PATCH, key=f"sample-{next(_count)}")
        for _ in range(count)
    )


def campaign(project: Project, count: int = 10, quota: int = 3, is_open: bool = True, **fields: Any) -> Campaign:
    """A campaign about Local Climate Zones on `count` new patches, open unless told otherwise."""
    made = services.create_campaign(
        **{"project": project, "name": f"Campaign {next(_count)}", "question": "lcz_patch", "scheme": "lcz17"}
        | {"samples": samples(project, count), "quota": quota, "by": None}
        | fields
    )
    return services.open_campaign(campaign=made, by=None) if is_open else made
