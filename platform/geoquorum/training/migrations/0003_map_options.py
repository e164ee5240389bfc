from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training", "0002_paused_and_processes")]

    operations = [
        migrations.AddField(model_name="mapproduct", name="options", field=models.JSONField(default=dict)),
    ]
