"""One foreign key of three columns says of an assignment what two said: its round holds the sample, under this quota.

Each key is checked once per row, and an import of millions of votes spent most of the database's time on that.
"""

import django.db.models.deletion
from django.db import migrations, models

ROUNDS_QUOTA = """
UPDATE campaigns_roundsample s SET quota = r.quota FROM campaigns_round r WHERE r.id = s.round_id;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE campaigns_roundsample ADD CONSTRAINT round_sample_quota_is_the_rounds
FOREIGN KEY (round_id, quota) REFERENCES campaigns_round (id, quota) ON UPDATE CASCADE
"""
NO_ROUNDS_QUOTA = "ALTER TABLE campaigns_roundsample DROP CONSTRAINT round_sample_quota_is_the_rounds"
# Checked at the end of the transaction, as Django's own are.
ONE_PLACE = """
ALTER TABLE campaigns_assignment DROP CONSTRAINT assignment_quota_is_the_rounds;
ALTER TABLE campaigns_assignment DROP CONSTRAINT assignment_sample_is_the_rounds;
ALTER TABLE campaigns_assignment ADD CONSTRAINT assignment_place_is_the_rounds
FOREIGN KEY (round_id, sample_id, quota) REFERENCES campaigns_roundsample (round_id, sample_id, quota)
ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED
"""
TWO_PLACES = """
ALTER TABLE campaigns_assignment DROP CONSTRAINT assignment_place_is_the_rounds;
ALTER TABLE campaigns_assignment ADD CONSTRAINT assignment_quota_is_the_rounds
FOREIGN KEY (round_id, quota) REFERENCES campaigns_round (id, quota) ON UPDATE CASCADE;
ALTER TABLE campaigns_assignment ADD CONSTRAINT assignment_sample_is_the_rounds
FOREIGN KEY (round_id, sample_id) REFERENCES campaigns_roundsample (round_id, sample_id) DEFERRABLE INITIALLY DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_login_tries"),
        ("campaigns", "0003_hot_path"),
    ]

    operations = [
        migrations.AddField(
            model_name="roundsample",
            name="quota",
            field=models.PositiveSmallIntegerField(default=1),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="assignment",
            name="expert",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="assignments",
                to="accounts.expert",
            ),
        ),
        migrations.AlterField(
            model_name="roundsample",
            name="round",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="round_samples",
                to="campaigns.round",
            ),
        ),
        migrations.RunSQL(ROUNDS_QUOTA, NO_ROUNDS_QUOTA),
        migrations.AddConstraint(
            model_name="roundsample",
            constraint=models.UniqueConstraint(fields=("round", "sample", "quota"), name="round_sample_and_quota"),
        ),
        migrations.RunSQL(ONE_PLACE, TWO_PLACES),
    ]
