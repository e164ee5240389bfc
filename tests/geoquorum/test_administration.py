"""Django's administration: nobody but staff gets in, staff without a right reads nothing, and nobody changes a vote."""

from itertools import product

import pytest
from django.contrib import admin
from django.urls import reverse

from tests import given
from tests.everything import CANARY, World, digest_rows, undone

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
OUTSIDE = ("anonymous", "stranger", "neighbour", "elsewhere", "expert", "curator", "admin")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SITE = ("index", "password_change", "password_change_done", "jsi18n", "autocomplete")
KEPT = ("campaigns.", "releases.", "accounts.Event")  # the record of votes, versions and deeds


@pytest.fixture(scope="module")
def world(shared_rows: None, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("maps"))


def list_addresses():
    """Every page of the administration: the site's, and of each kind of row the list and all pages of one row."""
    found = {reverse(f"admin:{name}"): None for name in SITE}
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found |= {reverse(f"{name}_changelist"): model, reverse(f"{name}_add"): model}
        row = model.objects.order_by("pk").first()
        if row is not None:
            found |= {reverse(f"{name}_{page}", args=[row.pk]): model for page in ("change", "delete", "history")}
    return found


@pytest.mark.parametrize("who", OUTSIDE)
def test_who_is_not_staff_is_sent_to_the_door_at_every_address_by_every_method(world, who):
    before, addresses = digest_rows(), list_addresses()
    assert len(addresses) > 40
    for address, method in product(addresses, METHODS):
        answer = world.client(who).generic(method, address, b"{}", content_type="application/json")
        assert answer.status_code in (302, 403, 405), (address, method, answer.status_code)
        assert answer.status_code != 302 or answer.url.startswith(("/admin/login/", "/login/")), (address, answer.url)
        assert CANARY not in answer.content.decode(), (address, method)
    assert digest_rows() == before


def test_staff_without_a_right_reads_nothing(world):
    with undone():
        helper = given.user(is_staff=True)
        client = world.client("nobody")
        client.force_login(helper)
        before = digest_rows()
        for (address, model), method in product(list_addresses().items(), METHODS):
            answer = client.generic(method, address, b"", content_type="application/x-www-form-urlencoded")
            assert CANARY not in answer.content.decode(), (address, method)
            assert model is None or answer.status_code in (403, 405), (address, method, answer.status_code)
        assert digest_rows() == before


def test_votes_versions_and_the_record_are_changed_by_no_administrator(world):
    before = digest_rows()
    kept = {
        address: model for address, model in list_addresses().items() if model and model._meta.label.startswith(KEPT)
    }
    assert len(kept) > 20
    for (address, model), method in product(kept.items(), METHODS[1:]):
        client = world.client("staff")
        answer = client.generic(method, address, b"post=yes", content_type="application/x-www-form-urlencoded")
        is_list = address == reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        is_shown = answer.status_code in (200, 302) and (method != "POST" or is_list or "/history/" in address)
        assert answer.status_code in (403, 405) or is_shown, (address, method, answer.status_code)
    assert digest_rows() == before
