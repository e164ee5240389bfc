"""Space and bounds of a search, number and parameters of a trial; null for every other run."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training", "0006_benchmarks_stay")]

    operations = [migrations.AddField(model_name="run", name="search", field=models.JSONField(null=True))]
