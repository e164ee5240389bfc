"""Votes from a file of another tool into a round: samples by key, each bad row named by its line."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from annotation.exchange.label_studio import read_tasks
from annotation.exchange.table_files import TableFile, read_table
from annotation.exchange.table_uploads import read_tasks_upload, read_upload
from fusion.errors import BadVotesError
from fusion.lines import Faults
from geoquorum.accounts.models import Expert, User
from geoquorum.campaigns.models import Round
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.services.import_checks import OPTIONAL
from geoquorum.campaigns.services.imports import import_votes
from geoquorum.copying import copy_out

NEEDED = ("sample", "voter", "code")
COLUMNS = {name: pa.string() for name in NEEDED} | OPTIONAL
MOST_JSON_BYTES = 512 * 2**20  # a Label Studio file is read whole
KEYS = """
SELECT s.key, s.id FROM campaigns_roundsample m JOIN catalog_sample s ON s.id = m.sample_id WHERE m.round_id = %(round)s
"""


def import_vote_file(
    *, round: Round, path: Path, by: User | None, kind: str = Expert.Kind.PERSON, is_upload: bool = False
) -> int:
    """Append the votes of a CSV, a Parquet file or a Label Studio export (.json); returns their number.

    Tables have the columns `sample` (key), `voter` (a pseudonym), `code` and perhaps those of OPTIONAL. BadInputError
    or BadVotesError names each bad row, and then nothing is stored. `kind` says whose votes they are. What somebody
    sent (`is_upload`) is read in a child process with bounds, but for small texts.
    """
    file = _read(round, path, is_upload)
    keys = copy_out(KEYS, {"round": round.pk}, {"key": pa.string(), "id": pa.int64()})
    found = pc.index_in(file.table["sample"], keys["key"].combine_chunks())
    faults = Faults(name=file.name, error=BadVotesError)
    for row in np.flatnonzero(np.asarray(pc.and_(pc.is_null(found), pc.is_valid(file.table["sample"])))).tolist():
        key = file.table["sample"][row].as_py()
        faults.add(file.place(row), f"names sample {key[:60]!r}, which this round does not ask about")
    faults.raise_if_any()
    ids = pc.take(keys["id"], found)
    table = file.table.set_column(file.table.column_names.index("sample"), "sample", ids)
    return import_votes(round=round, table=table, by=by, kind=kind, source=file.name[:40], place=file.place)


def _read(round: Round, path: Path, is_upload: bool) -> TableFile:
    if path.suffix.lower() != ".json":
        return read_upload(path, COLUMNS, NEEDED) if is_upload else read_table(path, COLUMNS, NEEDED)
    if path.stat().st_size > MOST_JSON_BYTES:
        raise BadVotesError(f"{path.name} is larger than {MOST_JSON_BYTES >> 20} MiB; export fewer tasks at once.")
    codes = scheme_of(round.campaign).codes
    votes = read_tasks_upload(path, codes) if is_upload else read_tasks(path.read_bytes(), codes)
    decided = pa.nulls(votes.num_rows, OPTIONAL["decided_at"])
    table = votes.drop_columns(["seconds"]).append_column("decided_at", decided)
    return TableFile(name=path.name, table=table, is_text=False)
