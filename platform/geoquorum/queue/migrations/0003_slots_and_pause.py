import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("accounts", "0001_initial"),
        ("queue", "0002_job_parent"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeviceSlot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("machine", models.CharField(max_length=100)),
                ("device", models.CharField(max_length=60)),
                ("fence", models.UUIDField(null=True)),
                ("taken_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveConstraint(model_name="job", name="job_unique_key_once_alive"),
        migrations.AddField(
            model_name="job",
            name="devices",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="job",
            name="is_pause_requested",
            field=models.BooleanField(default=False),
        ),
        migrations.AlterField(
            model_name="job",
            name="state",
            field=models.CharField(
                choices=[
                    ("queued", "queued"),
                    ("running", "running"),
                    ("paused", "paused"),
                    ("done", "done"),
                    ("failed", "failed"),
                    ("cancelled", "cancelled"),
                ],
                default="queued",
                max_length=12,
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["queue", "created_by", "-started_at"], name="job_served"),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["queued", "running", "paused"])),
                fields=("unique_key",),
                name="job_unique_key_once_alive",
            ),
        ),
        migrations.AddField(
            model_name="deviceslot",
            name="job",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="slots", to="queue.job"
            ),
        ),
        migrations.AddConstraint(
            model_name="deviceslot",
            constraint=models.UniqueConstraint(fields=("machine", "device"), name="device_slot_once"),
        ),
    ]
