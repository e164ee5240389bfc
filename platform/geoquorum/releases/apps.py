"""The app's name for Django."""

from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    name = "geoquorum.releases"
