"""The API: one typed router per app, with OpenAPI and its own documentation page."""

from ninja import NinjaAPI
from ninja.security import django_auth

from geoquorum.campaigns.api import router as campaigns
from geoquorum.releases.api import router as releases
from geoquorum.training.api import router as training

api = NinjaAPI(title="Geoquorum", version="1", urls_namespace="api", auth=django_auth)
api.add_router("/campaigns", campaigns)
api.add_router("", releases)
api.add_router("", training)
