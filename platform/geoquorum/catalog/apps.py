"""The app's name for Django."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "geoquorum.catalog"
