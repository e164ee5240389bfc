"""Every score has a system, and what a benchmark fixes is never changed once it has scores."""

import django.db.models.deletion
from django.db import migrations, models

# Who made it may be forgotten with the account; nothing else of a benchmark with scores changes.
STAY = """
CREATE FUNCTION training_keep_benchmark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  OLD.created_by_id := NEW.created_by_id;
  IF NEW IS DISTINCT FROM OLD AND EXISTS (SELECT FROM training_score WHERE benchmark_id = OLD.id) THEN
    RAISE EXCEPTION 'benchmark % has scores and stays as it is', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER benchmark_stays BEFORE UPDATE ON training_benchmark
  FOR EACH ROW EXECUTE FUNCTION training_keep_benchmark();
"""
MAY_CHANGE = """
DROP TRIGGER benchmark_stays ON training_benchmark;
DROP FUNCTION training_keep_benchmark();
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0005_scores_of_systems")]
    operations = [
        migrations.AlterField(
            model_name="score",
            name="submission",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="scores", to="training.submission"
            ),
        ),
        migrations.RunSQL(STAY, MAY_CHANGE),
    ]
