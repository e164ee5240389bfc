from django.db import migrations, models

STATES = [
    ("queued", "queued"),
    ("running", "running"),
    ("paused", "paused"),
    ("done", "done"),
    ("failed", "failed"),
    ("cancelled", "cancelled"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="processes",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AlterField(
            model_name="run",
            name="state",
            field=models.CharField(choices=STATES, default="queued", max_length=10),
        ),
        migrations.AlterField(
            model_name="mapproduct",
            name="state",
            field=models.CharField(choices=STATES, default="queued", max_length=10),
        ),
    ]
