"""The API: one typed router per noun, with OpenAPI, its own documentation page, and errors of one shape."""

from django.views.decorators.http import require_safe

from geoquorum.accounts.doors import enter
from geoquorum.campaigns.api import ROUTERS as CAMPAIGNS
from geoquorum.catalog.api import router as catalog
from geoquorum.openapi import DescribedAPI
from geoquorum.problems import handle_problems
from geoquorum.releases.api import router as releases
from geoquorum.training.api import router as training
from geoquorum.training.artefact_api import router as artefacts
from geoquorum.training.benchmark_api import router as benchmarks
from geoquorum.training.map_api import router as maps
from geoquorum.training.start_api import router as starts

api = DescribedAPI(
    title="Geoquorum",
    version="1",
    description=(
        "Enter signed in with a browser, or with a token of the account page: `Authorization: Bearer gq_...`. "
        "Lists come in pages: ask again with `cursor` = `next`. Errors are application/problem+json (RFC 9457)."
    ),
    urls_namespace="api",
    docs_decorator=require_safe,
    auth=enter(),
)
for noun, router in CAMPAIGNS.items():
    api.add_router("/campaigns", router, tags=[noun])
api.add_router("", catalog)
api.add_router("", releases)
api.add_router("", training)
api.add_router("", artefacts)
api.add_router("", maps)
api.add_router("", starts)
api.add_router("", benchmarks)
handle_problems(api)
