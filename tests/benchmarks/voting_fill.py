"""Campaigns in the middle of their work, filled by SQL: every sample has nine of its ten votes."""

import uuid
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.contrib.auth import get_user_model
from django.test import Client

from geoquorum.accounts.models import Membership, Project
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign
from geoquorum.catalog.models import Region, Sample, Scene
from geoquorum.embedded.state import load

RING = 2**31
CODES = 17
SAMPLES = """
INSERT INTO catalog_sample (project_id, region_id, kind, key, cell, block, longitude, latitude, footprint, epsg,
  width_px, height_px, pixel_size_m, text, attributes, is_simulated, created_at)
SELECT %(project)s, %(region)s, 'patch', 'p' || n, '320/' || n, 'b' || n / 16, 7 + n %% 600 / 6e3, 50 + n / 600 / 6e3,
  NULL, 32632, 32, 32, 10.0, '', '{}', TRUE, now() FROM generate_series(2, %(samples)s) AS n
"""
# A multiple of a number without common factors goes once through all places: an order without order.
ROUND_SAMPLES = """
INSERT INTO campaigns_roundsample (round_id, sample_id, quota, position, is_gold, prompt, slots_taken, answered,
  model_version, posterior, is_full)
SELECT %(round)s, s.id, %(quota)s, (row_number() OVER () * 7919 %% %(samples)s) * (%(ring)s / %(samples)s), FALSE, '',
  %(votes)s, %(votes)s, 0, array_fill(%(share)s::float8, ARRAY[17]), FALSE
FROM catalog_sample s WHERE s.project_id = %(project)s AND s.key <> 'p1'
"""
EXPERTS = """
INSERT INTO accounts_expert (project_id, pseudonym, kind, preferences, created_at)
SELECT %(project)s, 'filler' || n, 'simulated', '{}', now() FROM generate_series(1, %(votes)s) AS n
"""
ASSIGNMENTS = """
INSERT INTO campaigns_assignment (campaign_id, round_id, sample_id, expert_id, quota, slot, state, claimed_at)
SELECT %(campaign)s, %(round)s, s.sample_id, e.id, %(quota)s, e.slot, 'answered', now()
FROM campaigns_roundsample s CROSS JOIN (
  SELECT id, row_number() OVER (ORDER BY id) - 1 AS slot FROM accounts_expert
  WHERE project_id = %(project)s AND kind = 'simulated') AS e
WHERE s.round_id = %(round)s AND s.slots_taken = %(votes)s
"""
VOTES = """
INSERT INTO campaigns_vote (assignment_id, revision, client_uuid, campaign_id, round_id, sample_id, expert_id, kind,
  code, second_code, is_sure, skip_reason, is_machine, shown_at, decided_at, views_opened, interface_version,
  question_version, scheme_version)
SELECT a.id, 0, gen_random_uuid(), a.campaign_id, a.round_id, a.sample_id, a.expert_id, 'answer', (a.id %% 9 + 1)::text,
  '', TRUE, '', FALSE, now(), now(), '{true_colour}', '1', 1, 1
FROM campaigns_assignment a WHERE a.round_id = %(round)s AND a.state = 'answered'
"""


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A campaign to vote in, and its experts' cookies."""

    campaign: Campaign
    cookies: list[dict[str, str]]


def fill(*, home: Path, samples: int, experts: int, votes: int = 9, policy: dict[str, object] | None = None) -> Filled:
    """A campaign of `samples`, each with `votes` of its ten votes, and signed-in experts who have cast none."""
    project = Project.objects.create(name=f"{samples} samples", slug=f"bench-{uuid.uuid4().hex[:8]}", is_simulated=True)
    campaign = _start(project, policy)
    values = {"project": project.pk, "region": project.regions.get().pk, "samples": samples, "ring": RING}
    values |= {"campaign": campaign.pk, "round": campaign.rounds.get().pk, "votes": votes, "quota": 10}
    values |= {"share": (1 + votes) / CODES}
    own = load(home)
    assert own is not None
    address = f"postgres://geoquorum_admin:{own.admin_password}@127.0.0.1:{own.postgres_port}/geoquorum"
    with psycopg.connect(address) as link:
        link.execute("SET session_replication_role = replica")  # no checks of foreign keys row by row
        for statement in (SAMPLES, ROUND_SAMPLES, EXPERTS, ASSIGNMENTS, VOTES):
            link.execute(statement, values)
        link.commit()
        link.autocommit = True
        link.execute("VACUUM ANALYZE")
    return Filled(campaign=campaign, cookies=[_sign_in(project, number) for number in range(experts)])


def _start(project: Project, policy: dict[str, object] | None) -> Campaign:
    region = Region.objects.create(project=project, name="Benchford", slug="benchford", is_simulated=True)
    for modality, season in (("sentinel1", ""), ("sentinel2", "spring"), ("sentinel2", "summer")):
        Scene.objects.create(
            project=project, region=region, modality=modality, name=f"{modality} {season}", season=season
        )
    first = Sample.objects.create(project=project, region=region, kind="patch", key="p1")
    campaign = services.create_campaign(
        project=project, name="Benchmark", question="lcz_patch", scheme="lcz17", samples=[first], quota=10, by=None,
        policy=policy,
    )  # fmt: skip
    return services.open_campaign(campaign=campaign, by=None)


def _sign_in(project: Project, number: int) -> dict[str, str]:
    """The cookies of a browser in which a new expert has signed in and loaded a page."""
    user = get_user_model().objects.create(username=f"{project.slug}-{number}")
    Membership.objects.create(project=project, user=user, role="expert")
    client = Client()
    client.force_login(user)
    return {"sessionid": client.cookies["sessionid"].value, "csrftoken": uuid.uuid4().hex}
