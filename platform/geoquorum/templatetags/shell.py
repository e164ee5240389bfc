"""Tags of the page frame: navigation, project switcher, class swatches, percentages, distances."""

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from geoquorum import swatches
from geoquorum.accounts.current import current_project
from geoquorum.accounts.services import projects_of

register = template.Library()
KILOMETRES_FROM_M = 10_000


@register.simple_tag(takes_context=True)
def nav_link(context: Context, route: str, text: str) -> str:
    """A link of the main navigation; the one whose pages are open is marked as current."""
    url = reverse(route)
    path = context["request"].path
    is_current = path == url or (url != "/" and path.startswith(f"/{url.split('/')[1]}/"))
    current = mark_safe(' aria-current="page"') if is_current else ""
    return format_html('<a href="{}"{}>{}</a>', url, current, text)


@register.inclusion_tag("partials/project_switcher.html", takes_context=True)
def project_switcher(context: Context) -> dict[str, Any]:
    """Chooses the project that the lists show, or all of the person's projects."""
    request = context["request"]
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "projects": list(projects_of(request.user)),
        "current": current_project(request),
    }


@register.simple_tag
def swatches_url() -> str:
    """Address of the stylesheet with all schemes' colours; it changes when a colour does."""
    return f"{reverse('swatches')}?v={swatches.digest()}"


@register.simple_tag
def swatch(scheme: str, code: str) -> str:
    """CSS class that gives a class's colour and the ink printed on it, e.g. `swatch-lcz17-6`."""
    return swatches.css_class(scheme, code)


@register.filter
def percent(share: float | None, digits: int = 0) -> str:
    """A share 0..1 as a percentage, `87.3 %`; a dash for None."""
    return "–" if share is None else f"{100 * float(share):.{digits}f} %"


@register.filter
def far(metres: float | None) -> str:
    """A distance as `742 m`, from 10 km on as `1,382 km`; a dash for None."""
    if metres is None:
        return "–"
    return f"{metres / 1000:,.0f} km" if metres >= KILOMETRES_FROM_M else f"{metres:,.0f} m"


@register.filter
def at(mapping: Any, key: Any) -> Any:
    """`mapping[key]` or None: for tables keyed by class code."""
    return mapping.get(key) if hasattr(mapping, "get") else mapping[key]
