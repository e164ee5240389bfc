"""Pages of runs as a person of their project sees them."""

from django.urls import reverse

from tests import given


def log_in(client, run, role="curator"):
    client.force_login(given.member(run.project, role))
    return client


def read_page(client, name, *words) -> str:
    answer = client.get(reverse(f"training:{name}", args=words))
    assert answer.status_code == 200
    return answer.content.decode()
