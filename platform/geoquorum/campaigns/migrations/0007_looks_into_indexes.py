"""What migration 0005 compares per statement is looked up in an index, whatever the size of the table when it is planned.

A function keeps the plan of its first call on a connection. Planned while the table had a page or two, it read the whole
table for each row of a later import: 24,000 votes took forty seconds instead of three.
"""

from django.db import migrations

FUNCTIONS = ("compare_votes", "keep_assignment", "compare_places", "keep_place")
WITH_INDEX = "".join(f"ALTER FUNCTION campaigns_{name}() SET enable_seqscan = off;\n" for name in FUNCTIONS)
AS_PLANNED = "".join(f"ALTER FUNCTION campaigns_{name}() RESET enable_seqscan;\n" for name in FUNCTIONS)


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0006_consensus_fields")]

    operations = [migrations.RunSQL(WITH_INDEX, AS_PLANNED)]
