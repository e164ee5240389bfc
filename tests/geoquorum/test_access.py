"""Who may do what: every route of the resolver and every operation of the API, by every kind of person and method.

A route that is not listed fails. Strangers learn nothing, not even that a thing exists: theirs is 404, and a
superuser without a role is a stranger. How the rows are made is in tests/everything.py.
"""

from itertools import product

import pytest

from geoquorum.api import api
from tests.everything import World, count_rows, is_json, list_operations, list_routes, undone

pytestmark = pytest.mark.django_db
WHO = ("anonymous", "stranger", "elsewhere", "staff", "expert", "curator", "admin")
# A curator of another campaign is answered like an admin of another project; a token that lacks the scope opens no
# page, and of the API nothing.
FOREIGN = ("anonymous", "stranger", "neighbour", "elsewhere", "staff", "token")
OTHER_METHODS = ("PUT", "PATCH", "DELETE")
REFUSED = (401, 403, 404, 405)
HOW = (
    "{route!r} is new: add one line to TABLE in {file}: who gets which status by GET and by POST, e.g. (MEMBERS, {no})"
)

# One row for each route: the status for each of WHO by GET, and by POST. All other methods are refused everywhere.
PUBLIC = "200 200 200 200 200 200 200"
TURNED = "302 302 302 302 302 302 302"
OWN_PAGE = "302 200 200 200 200 200 200"  # one's own things, whoever one is: a stranger finds nothing of others in it
MEMBERS = "302 404 404 404 200 200 200"
CURATORS = "302 404 404 404 403 200 200"
MEMBERS_ACT = "302 404 404 404 302 302 302"
CURATORS_ACT = "302 404 404 404 403 302 302"
NO_SUCH_METHOD = "302 405 405 405 405 405 405"
NEVER = "405 405 405 405 405 405 405"
NOTHING = "404 404 404 404 404 404 404"
NOTHING_BUT_A_LOGIN = "302 404 404 404 404 404 404"
PROGRAMS = "401 200 200 200 200 200 200"
PROGRAMS_OF_MEMBERS = "401 404 404 404 200 200 200"
PROGRAMS_OF_CURATORS = "401 404 404 404 403 200 200"
WITHOUT_FILE = "401 422 422 422 422 422 422"  # the file is missing, and nobody looked further
NOBODY_HERE = "401 404 404 404 404 404 404"  # no claim is held
TABLE: dict[str, tuple[str, str]] = {
    "": (OWN_PAGE, NO_SUCH_METHOD),
    "styles/": (PUBLIC, NEVER),
    "swatches.css": (PUBLIC, NEVER),
    "login/": ("200 302 302 302 302 302 302", "200 302 302 302 302 302 302"),
    "logout/": (NEVER, TURNED),
    "account/": (OWN_PAGE, OWN_PAGE),
    "account/password/": (OWN_PAGE, OWN_PAGE),
    "account/tokens/": (NO_SUCH_METHOD, "302 400 400 400 400 400 400"),  # an empty form
    "account/tokens/<int:token_id>/revoke/": (NO_SUCH_METHOD, "302 404 404 404 302 404 404"),  # one's own alone
    "account/project/": (NO_SUCH_METHOD, TURNED),
    "catalog/": (OWN_PAGE, NO_SUCH_METHOD),
    "catalog/files/<slug:slug>/": (CURATORS, "302 404 404 404 403 400 400"),  # no kind of file is named
    "catalog/regions/<int:region_id>/": (MEMBERS, NO_SUCH_METHOD),
    "catalog/regions/<int:region_id>/areas/": (MEMBERS, NO_SUCH_METHOD),
    "catalog/regions/<int:region_id>/areas.kml": (MEMBERS, NO_SUCH_METHOD),
    "catalog/regions/<int:region_id>/areas/save/": (NO_SUCH_METHOD, "302 404 404 404 400 400 400"),  # an empty body
    "catalog/regions/<int:region_id>/areas/<int:sample_id>/remove/": (
        NO_SUCH_METHOD,
        "302 404 404 404 404 404 404",  # a patch, which nobody drew
    ),
    "catalog/regions/<int:region_id>/tile/<slug:modality>/<slug:view>/<slug:cell>.png": (MEMBERS, NO_SUCH_METHOD),
    "catalog/scenes/<int:scene_id>/look.png": (MEMBERS, NO_SUCH_METHOD),
    "catalog/assets/<int:asset_id>/look.png": (MEMBERS, NO_SUCH_METHOD),
    "catalog/samples/<int:sample_id>/": (MEMBERS, NO_SUCH_METHOD),
    "catalog/samples/<int:sample_id>/picture/<slug:modality>/<slug:view>.png": (MEMBERS, NO_SUCH_METHOD),
    "catalog/samples/<int:sample_id>/photo.jpg": ("302 404 404 404 404 404 404", NO_SUCH_METHOD),  # a patch has none
    "catalog/samples/<int:sample_id>/values/<slug:modality>.bin": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/": (OWN_PAGE, NO_SUCH_METHOD),
    "campaigns/new/": ("302 404 200 404 404 200 200", "302 404 200 404 404 200 200"),
    "campaigns/preferences/": (OWN_PAGE, NO_SUCH_METHOD),
    "campaigns/preferences/save/": (NEVER, "401 400 400 400 400 400 400"),  # an empty body is no JSON
    "campaigns/<int:campaign_id>/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/open/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/close/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/unblind/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/consensus/start/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/files/": (CURATORS, "302 404 404 404 403 400 400"),
    "campaigns/<int:campaign_id>/vote/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/claims/": (NEVER, PROGRAMS_OF_MEMBERS),
    "campaigns/<int:campaign_id>/votes/": (NEVER, NOBODY_HERE),
    "campaigns/<int:campaign_id>/history/": (PROGRAMS_OF_MEMBERS, NEVER),
    "campaigns/<int:campaign_id>/sessions/": (NEVER, PROGRAMS_OF_MEMBERS),
    "campaigns/<int:campaign_id>/sessions/<int:session_id>/pause/": (NEVER, "401 404 404 404 200 404 404"),
    "campaigns/<int:campaign_id>/sessions/<int:session_id>/resume/": (NEVER, "401 404 404 404 200 404 404"),
    "campaigns/<int:campaign_id>/sessions/<int:session_id>/end/": (NEVER, "401 404 404 404 200 404 404"),
    "campaigns/<int:campaign_id>/consensus/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/consensus/<int:run_id>/<slug:kind>.csv": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/consensus/<int:run_id>/review/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/consensus/agreement/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/consensus/<int:run_id>/agreement/<slug:kind>.csv": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/disputes/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/disputes/round/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/samples/<int:sample_id>/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/samples/<int:sample_id>/raise/": (NO_SUCH_METHOD, MEMBERS_ACT),
    "campaigns/<int:campaign_id>/samples/<int:sample_id>/comments/": (NO_SUCH_METHOD, MEMBERS_ACT),
    "campaigns/<int:campaign_id>/samples/<int:sample_id>/comments/<int:comment_id>/erase/": (
        NO_SUCH_METHOD,
        MEMBERS_ACT,  # another's words only as a curator with a reason: a refusal is a message on the page
    ),
    "campaigns/<int:campaign_id>/samples/<int:sample_id>/adjudicate/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/qualify/": (MEMBERS_ACT, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/qualify/start/": (NO_SUCH_METHOD, MEMBERS_ACT),
    "campaigns/<int:campaign_id>/qualify/vote/": (MEMBERS_ACT, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/qualify/claims/": (NEVER, NOBODY_HERE),
    "campaigns/<int:campaign_id>/qualify/votes/": (NEVER, NOBODY_HERE),
    "campaigns/<int:campaign_id>/qualify/history/": (NOBODY_HERE, NEVER),
    "campaigns/<int:campaign_id>/gold/": (CURATORS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/gold/choose/": (NO_SUCH_METHOD, "302 404 404 404 403 400 400"),
    "campaigns/<int:campaign_id>/gold/file/": (NO_SUCH_METHOD, "302 404 404 404 403 400 400"),
    "campaigns/<int:campaign_id>/gold/adjudicated/": (NO_SUCH_METHOD, "302 404 404 404 403 400 400"),
    "campaigns/<int:campaign_id>/gold/<int:gold_id>/remove/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/experts/": (CURATORS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/experts.csv": (CURATORS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/experts/me/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/experts/<int:expert_id>/let-in/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/experts/<int:expert_id>/reset/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/experts/<int:expert_id>/dismiss/": (NO_SUCH_METHOD, CURATORS_ACT),
    "releases/": (OWN_PAGE, NO_SUCH_METHOD),
    "releases/from/<int:run_id>/": (CURATORS, "302 404 404 404 403 400 400"),
    "releases/<int:version_id>/": (MEMBERS, NO_SUCH_METHOD),
    "releases/<int:version_id>/export/<slug:exporter>/": (NO_SUCH_METHOD, CURATORS_ACT),
    "releases/exports/<int:export_id>/<int:number>/": (CURATORS, NO_SUCH_METHOD),
    "training/": (OWN_PAGE, NO_SUCH_METHOD),
    "training/compare/": (TURNED, NO_SUCH_METHOD),  # no run is named
    "training/compare/runs.csv": ("302 400 400 400 400 400 400", NO_SUCH_METHOD),
    "training/start/<int:version_id>/": (CURATORS, CURATORS_ACT),
    "training/start/<int:version_id>/search/": (CURATORS, "302 404 404 404 403 400 400"),  # an empty form
    "training/<int:run_id>/samples/<int:number>-<slug:kind>.png": (NOTHING_BUT_A_LOGIN, NO_SUCH_METHOD),  # it has none
    "training/<int:run_id>/ask/": (CURATORS_ACT, CURATORS_ACT),  # the world's run did not end well
    "training/<int:run_id>/": (MEMBERS, NO_SUCH_METHOD),
    "training/<int:run_id>/progress/": ("302 404 404 404 286 286 286", NO_SUCH_METHOD),
    "training/<int:run_id>/cancel/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/<int:run_id>/pause/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/<int:run_id>/go-on/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/<int:run_id>/priority/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/<int:run_id>/<slug:table>.csv": (MEMBERS, NO_SUCH_METHOD),
    "training/<int:run_id>/files/": (CURATORS, NO_SUCH_METHOD),
    "training/<int:run_id>/files/prepare/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/<int:run_id>/files/<slug:part>/": ("302 404 404 404 403 404 404", NO_SUCH_METHOD),  # none was made
    "training/<int:run_id>/map/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/maps/<int:map_id>/": (MEMBERS, NO_SUCH_METHOD),
    "training/maps/<int:map_id>/cancel/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/maps/<int:map_id>/<slug:layer>.png": (MEMBERS, NO_SUCH_METHOD),
    "training/maps/<int:map_id>/<slug:part>.tif": (MEMBERS, NO_SUCH_METHOD),
    "benchmarks/": (OWN_PAGE, NO_SUCH_METHOD),
    "benchmarks/new/": ("302 404 200 404 404 200 200", "302 404 400 404 404 400 400"),  # an empty form
    "benchmarks/<int:benchmark_id>/": (MEMBERS, NO_SUCH_METHOD),
    "benchmarks/<int:benchmark_id>/submit/": (NO_SUCH_METHOD, "302 404 404 404 400 400 400"),  # no file
    "benchmarks/<int:benchmark_id>/run/": (NO_SUCH_METHOD, MEMBERS_ACT),
    "benchmarks/<int:benchmark_id>/figure/": (NO_SUCH_METHOD, CURATORS_ACT),
    "benchmarks/<int:benchmark_id>/remove/": (NO_SUCH_METHOD, CURATORS_ACT),
    "benchmarks/<int:benchmark_id>/labels/": (NO_SUCH_METHOD, CURATORS_ACT),
    "benchmarks/<int:benchmark_id>/board.csv": (MEMBERS, NO_SUCH_METHOD),
    "benchmarks/<int:benchmark_id>/sample.csv": (MEMBERS, NO_SUCH_METHOD),
    "jobs/": (OWN_PAGE, NO_SUCH_METHOD),
    "jobs/<uuid:job_id>/cancel/": (NO_SUCH_METHOD, CURATORS_ACT),
    "api/v1/openapi.json": (PUBLIC, NEVER),
    "api/v1/docs": (PUBLIC, NEVER),
    "api/v1/campaigns": (PROGRAMS, NEVER),
    "api/v1/campaigns/<int:campaign_id>": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/samples": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/next": (NEVER, PROGRAMS_OF_MEMBERS),
    "api/v1/campaigns/<int:campaign_id>/votes": (PROGRAMS_OF_CURATORS, NOBODY_HERE),
    "api/v1/campaigns/<int:campaign_id>/votes/own": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/consensus": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/runs": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/runs/<int:run_id>/labels": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/votes.<form>": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/samples.<form>": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/votes/import": (NEVER, WITHOUT_FILE),
    "api/v1/projects/<slug>/samples/import": (NEVER, WITHOUT_FILE),
    "api/v1/projects/<slug>/areas/import": (NEVER, WITHOUT_FILE),
    "api/v1/versions": (PROGRAMS, NEVER),
    "api/v1/versions/<int:version_id>": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/versions/<int:version_id>/exports": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/exports/<int:export_id>/files/<int:number>": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/runs": (PROGRAMS, "401 404 404 404 403 201 201"),
    "api/v1/runs/seeds": (NEVER, "401 404 404 404 403 201 201"),
    "api/v1/searches": (NEVER, "401 404 404 404 403 201 201"),
    "api/v1/runs/<int:run_id>": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/runs/<int:run_id>/ask": (NEVER, "401 404 404 404 403 400 400"),  # the world's run did not end well
    "api/v1/runs/<int:run_id>/cancel": (NEVER, PROGRAMS_OF_CURATORS),
    "api/v1/runs/<int:run_id>/pause": (NEVER, "401 404 404 404 403 400 400"),  # the world's run is over
    "api/v1/runs/<int:run_id>/go-on": (NEVER, PROGRAMS_OF_CURATORS),
    "api/v1/runs/<int:run_id>/priority": (NEVER, PROGRAMS_OF_CURATORS),
    "api/v1/benchmarks": (PROGRAMS, "401 404 404 404 403 201 201"),
    "api/v1/benchmarks/<int:benchmark_id>": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/benchmarks/<int:benchmark_id>/board": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/benchmarks/<int:benchmark_id>/scores": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/benchmarks/<int:benchmark_id>/submissions": (NEVER, "401 404 404 404 400 400 400"),  # no row at all
    "api/v1/benchmarks/<int:benchmark_id>/submissions/file": (NEVER, WITHOUT_FILE),
    "api/v1/benchmarks/<int:benchmark_id>/submissions/run": (NEVER, "401 404 404 404 409 409 409"),  # not finished
    "api/v1/runs/<int:run_id>/maps": (NEVER, "401 404 404 404 403 400 400"),  # the world's run did not end well
    "api/v1/runs/<int:run_id>/files": (PROGRAMS_OF_CURATORS, "401 404 404 404 403 400 400"),
    "api/v1/runs/<int:run_id>/files/<part>": ("401 404 404 404 403 404 404", NEVER),  # none was made
    "api/v1/maps/<int:map_id>": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/maps/<int:map_id>/cancel": (NEVER, PROGRAMS_OF_CURATORS),
    "api/v1/maps/<int:map_id>/files/<part>": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/": (NOTHING, NOTHING),
    "^api(?:/.*)?$": (NOTHING, NOTHING),
}

CASES = list(dict.fromkeys(list_routes()))
FORMS = ("login/", "account/password/")  # Django's own form views take PUT for POST


@pytest.fixture(scope="module")
def world(shared_rows: None, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("maps"))


def test_every_listed_route_exists():
    assert set(TABLE) - set(CASES) == set()


def test_every_operation_of_the_api_is_listed():
    for route, verb in list_operations():
        assert verb in ("GET", "POST"), "a new verb needs a column of its own"
        assert TABLE[route][verb == "POST"] not in (NEVER, NOTHING), (route, verb)
    described = {(path, verb) for path, verbs in api.get_openapi_schema()["paths"].items() for verb in verbs}
    assert len(described) == len(list_operations())


@pytest.mark.parametrize("route", CASES)
def test_each_route_answers_each_person_as_listed(world, route):
    assert route in TABLE, HOW.format(route=route, file=__file__, no="NO_SUCH_METHOD")
    expected, found = {}, {}
    for method, row in zip(("GET", "POST"), TABLE[route], strict=True):
        listed = dict(zip(WHO, map(int, row.split()), strict=True))
        expected |= {(who, method): status for who, status in (listed | {"neighbour": listed["elsewhere"]}).items()}
    for who, method in expected:
        with undone():
            found[who, method] = world.ask(who, method, route).status_code
    assert found == expected


@pytest.mark.parametrize("route", CASES)
def test_other_methods_are_refused_and_change_nothing(world, route):
    before = count_rows()
    for who, method in product((*WHO, "neighbour", "token"), OTHER_METHODS):
        answer = world.ask(who, method, route)
        is_sent_away = answer.status_code == 302 and answer.url in ("/", f"/login/?next={world.address(route)}")
        is_form_again = method == "PUT" and route in FORMS and answer.status_code == 200
        assert answer.status_code in REFUSED or is_sent_away or is_form_again, (who, method, answer.status_code)
    assert count_rows() == before


@pytest.mark.parametrize("route", [route for route in CASES if "<" in route or is_json(route)])
def test_nothing_of_others_is_answered_with_success(world, route):
    """Every thing with a number, and every operation: people from elsewhere and a token without the scope.

    That other methods are refused to these too, the test above shows.
    """
    for who, method in product(FOREIGN, ("GET", "POST")):
        if "<" not in route and who != "token":
            continue
        with undone():
            answer = world.ask(who, method, route)
        is_described = route in ("api/v1/docs", "api/v1/openapi.json") and method == "GET"
        assert answer.status_code not in range(200, 300) or is_described, (who, method)
        assert answer.status_code != 302 or answer.url.startswith("/login/"), (who, method)
