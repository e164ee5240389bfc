"""All settings, from environment variables alone; without DATABASE_URL the embedded services' own are used."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from geoquorum.embedded import state

env = environ.Env()
PACKAGE = Path(__file__).resolve().parent
GEOQUORUM_HOME = Path(env("GEOQUORUM_HOME", default=".geoquorum")).expanduser().absolute()
IS_EMBEDDED = not env("DATABASE_URL", default="")
if IS_EMBEDDED:
    for name, value in state.environment(GEOQUORUM_HOME).items():
        os.environ.setdefault(name, value)

DEBUG = env.bool("DJANGO_DEBUG", default=False)
SECRET_KEY = env("DJANGO_SECRET_KEY", default="")
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured(
        "DJANGO_SECRET_KEY must hold at least 50 random characters. Make one with: "
        'python -c "import secrets; print(secrets.token_urlsafe(50))"'
    )
if DEBUG and not IS_EMBEDDED:
    raise ImproperlyConfigured("DJANGO_DEBUG is only for the embedded services: unset it, or unset DATABASE_URL.")
ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "ninja",  # its own copy of the documentation page's scripts, instead of a content network's
    "geoquorum.accounts",
    "geoquorum.queue",
    "geoquorum.catalog",
    "geoquorum.campaigns",
    "geoquorum.releases",
    "geoquorum.training",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "geoquorum.problems.catch_problems",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "geoquorum.problems.RefuseUnstorable",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "geoquorum.urls"
WSGI_APPLICATION = "geoquorum.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"figures": "geoquorum.templatetags.figures", "shell": "geoquorum.templatetags.shell"},
        },
    }
]

# The owner's role migrates; everything else runs as the application's, which cannot change votes.
IS_MIGRATING = sys.argv[1:2] == ["migrate"]
DATABASES = {
    "default": env.db_url(
        "DATABASE_OWNER_URL" if IS_MIGRATING and env("DATABASE_OWNER_URL", default="") else "DATABASE_URL"
    )
    | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "DISABLE_SERVER_SIDE_CURSORS": False}
}
# Statements that ask for it are planned once per connection (geoquorum.statements); Django's own never are.
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("prepare_threshold", 0)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["geoquorum.accounts.guard.GuardedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
USE_I18N = True
LOCALE_PATHS = [PACKAGE / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
# Leaflet's files are served from django-leaflet, whose app is not installed: it needs GeoDjango's system libraries.
LEAFLET = Path(str(find_spec("leaflet").origin)).parent
STATICFILES_DIRS = [PACKAGE / "static", LEAFLET / "static"]
# Collected for production; the embedded server finds the files where they lie.
STATIC_ROOT = None if IS_EMBEDDED else Path(env("GEOQUORUM_STATIC_ROOT", default=str(GEOQUORUM_HOME / "static")))
WHITENOISE_USE_FINDERS = IS_EMBEDDED
if not IS_EMBEDDED:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

# Where packs, run folders and maps are written, and from where local rasters may be read.
GEOQUORUM_DATA = Path(env("GEOQUORUM_DATA", default=str(GEOQUORUM_HOME / "data"))).absolute()
# Hashes the names of people who wrote posts; it lies outside the database, and losing it unlinks them for good.
GEOQUORUM_PSEUDONYM_KEY = env("GEOQUORUM_PSEUDONYM_KEY", default="")
GEOQUORUM_CACHE = Path(env("GEOQUORUM_CACHE", default=str(GEOQUORUM_HOME / "cache"))).absolute()
BASEMAP_TILES_URL = env("BASEMAP_TILES_URL", default="")
BASEMAP_ATTRIBUTION = env("BASEMAP_ATTRIBUTION", default="")

# A run's scalars, spec and report go there as well (geoquorum.training.mirrors); nothing is read from there.
TENSORBOARD_DIR = env("TENSORBOARD_DIR", default="")
MLFLOW_TRACKING_URI = env("MLFLOW_TRACKING_URI", default="")

# What one person may cast: this many votes a second, and a burst of thirty for a queue that waited for the network.
VOTES_PER_S = env.float("GEOQUORUM_VOTES_PER_S", default=3.0)

# Jobs: the row in PostgreSQL is the record, the broker only wakes a worker up.
JOB_LEASE_S = env.int("GEOQUORUM_LEASE_S", default=30)
# A job that waits so long while its queue in the broker is empty is published again.
JOB_LOST_AFTER_S = env.float("GEOQUORUM_LOST_AFTER_S", default=15.0)
JOB_LONGEST_S = env.int("GEOQUORUM_LONGEST_JOB_S", default=24 * 3600)
# Beyond a tenth of its limit a job has so long to stop by itself; then its process is killed.
JOB_GRACE_S = env.float("GEOQUORUM_JOB_GRACE_S", default=12.0)
JOB_HARD_LIMIT_S = int(JOB_LONGEST_S * 1.1 + JOB_GRACE_S)
# After so long a Redis broker hands a message out a second time; of several programs the shortest counts.
BROKER_VISIBILITY_S = env.int("GEOQUORUM_VISIBILITY_TIMEOUT_S", default=JOB_HARD_LIMIT_S + 600)
if BROKER_VISIBILITY_S <= JOB_HARD_LIMIT_S:
    raise ImproperlyConfigured(
        f"GEOQUORUM_VISIBILITY_TIMEOUT_S is {BROKER_VISIBILITY_S} s, but the longest job may take {JOB_HARD_LIMIT_S} s "
        "(GEOQUORUM_LONGEST_JOB_S, a tenth more, and a grace): a broker would hand it out a second time while it runs. "
        "Raise the one or lower the other."
    )
# Runs of one user that wait or run at the same time; and what one run may write.
ACTIVE_RUNS = env.int("GEOQUORUM_ACTIVE_RUNS", default=16)
RUN_FOLDER_BYTES = env.int("GEOQUORUM_RUN_FOLDER_MB", default=50_000) * 1_000_000
# Hosts, perhaps with a port, from which maps read scenes in place that do not lie on this machine.
REMOTE_HOSTS = env.list("GEOQUORUM_REMOTE_HOSTS", default=[])
# What `manage.py reap` does at each turn, in order, each answering with how much it changed.
HOUSEKEEPING = [
    "geoquorum.queue.services.reap",
    "geoquorum.accounts.guard.forget_tries",
    "geoquorum.campaigns.services.settle",
    "geoquorum.campaigns.services.watch.watch_all",
    "geoquorum.campaigns.services.quiet.warn_of_silence",
    "geoquorum.campaigns.services.seal_votes",
    "geoquorum.campaigns.services.start_refits",
    "geoquorum.releases.services.settle",
    "geoquorum.training.services.settle",
    "geoquorum.training.preranking.let_runs_vote",
]
CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="")
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "data"
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# RabbitMQ closes a channel whose message is unacknowledged for its consumer_timeout (30 minutes unless it is told
# otherwise); a worker that did not open another would end, and every long run with it.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
# Limits are kept by the job's own row (queue.work); this is for a process that cannot even do that.
CELERY_TASK_TIME_LIMIT = JOB_HARD_LIMIT_S + 60
# A request that enqueues must not wait for a broker that is away: the reaper publishes later.
_ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"visibility_timeout": BROKER_VISIBILITY_S, "socket_connect_timeout": 2, "socket_timeout": 20, **_ONE_TRY}
    if CELERY_BROKER_URL.startswith("redis")
    else {"confirm_publish": True, **_ONE_TRY}
    if CELERY_BROKER_URL.startswith("amqp")
    else {}
)

# Secure by default as soon as real services are named; the embedded ones speak plain HTTP on loopback.
IS_HTTPS = env.bool("GEOQUORUM_HTTPS", default=not IS_EMBEDDED)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = IS_HTTPS
SESSION_ENGINE = "geoquorum.accounts.sessions"
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("GEOQUORUM_BEHIND_PROXY", default=False) else None
)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:", *([BASEMAP_TILES_URL.split("{")[0]] if BASEMAP_TILES_URL else [])],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
}
