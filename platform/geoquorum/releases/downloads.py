"""How a file of an export leaves: checked, recorded, sent. The one place where reading leaves a line in the record."""

from pathlib import Path

from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404

from geoquorum.accounts.models import Role, User
from geoquorum.accounts.services import record, require_role
from geoquorum.catalog.answers import NOTHING_RUNS
from geoquorum.releases.models import BuildState, Export


def send_file(*, user: User, export_id: int, number: int) -> FileResponse:
    """One file of an export, by its place in the export's list: no path comes from outside.

    The record of who took out what is why this GET is allowed to write a row.
    """
    export = get_object_or_404(Export.objects.select_related("version__project"), pk=export_id, state=BuildState.READY)
    project = export.version.project
    require_role(user=user, project=project, minimum=Role.CURATOR)
    if number >= len(export.files):
        raise Http404
    name = export.files[number]["path"]
    path = Path(export.uri) / name
    record(
        project=project, actor=user, action="export downloaded", subject=f"export {export.pk}", detail={"file": name}
    )
    filename = f"{export.version.name}-{export.version.number}-{path.name}"
    answer = FileResponse(path.open("rb"), as_attachment=True, filename=filename)
    answer["Content-Security-Policy"] = NOTHING_RUNS  # KML is XML, and one may open it in the browser
    return answer
