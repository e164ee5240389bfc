"""The API: one typed router per app, with OpenAPI and its own documentation page."""

from ninja import NinjaAPI
from ninja.security import django_auth

api = NinjaAPI(title="Geoquorum", version="1", urls_namespace="api", auth=django_auth)
