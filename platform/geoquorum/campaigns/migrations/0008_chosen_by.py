"""What chose a campaign's samples, where no person did; empty for campaigns that stand."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0007_looks_into_indexes")]

    operations = [
        migrations.AddField(model_name="campaign", name="chosen_by", field=models.JSONField(blank=True, default=dict)),
    ]
