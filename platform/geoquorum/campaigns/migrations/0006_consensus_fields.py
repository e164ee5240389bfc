"""Consensus rows hold what a question asks beside the class; null in all rows made before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0005_votes_repeat")]

    operations = [
        migrations.AddField(model_name="consensus", name="fields", field=models.JSONField(blank=True, null=True)),
    ]
