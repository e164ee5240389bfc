"""What a vote repeats of its assignment, and an assignment of its place, is compared at once per statement.

A foreign key looks up and locks one row per row: half of the database's time in an import of millions of votes. It also
left a vote's campaign, round, sample and expert unchecked. Now one query per statement compares all of them. In return
nobody, the owner neither, may move an assignment, delete one that has votes, or take a claimed sample out of its round.
Whoever writes a vote or a claim has written its assignment or locked its place in the same transaction.
"""

import django.db.models.deletion
from django.db import migrations, models

# A scalar subquery is one look per row and never a join; migration 0007 sees that it is a look into an index.
VOTES = """
CREATE FUNCTION campaigns_compare_votes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM added v WHERE v.expert_id IS DISTINCT FROM (
      SELECT a.expert_id FROM campaigns_assignment a WHERE a.id = v.assignment_id AND a.round_id = v.round_id
        AND a.sample_id = v.sample_id AND a.campaign_id = v.campaign_id)
  ) THEN
    RAISE EXCEPTION 'vote_repeats_its_assignment: a vote names no assignment, or not what its assignment names'
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'vote_repeats_its_assignment', TABLE = 'campaigns_vote';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER vote_repeats_its_assignment AFTER INSERT ON campaigns_vote REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION campaigns_compare_votes();

CREATE FUNCTION campaigns_keep_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM campaigns_vote WHERE assignment_id = OLD.id) THEN
    RETURN OLD;
  END IF;
  IF TG_OP = 'UPDATE' AND (NEW.id, NEW.campaign_id, NEW.round_id, NEW.sample_id, NEW.expert_id, NEW.quota)
      IS NOT DISTINCT FROM (OLD.id, OLD.campaign_id, OLD.round_id, OLD.sample_id, OLD.expert_id, OLD.quota) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'assignment_stays: assignment % can be neither moved, nor deleted while it has votes', OLD.id
    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'assignment_stays', TABLE = 'campaigns_assignment';
END $$;
CREATE TRIGGER assignment_stays
BEFORE DELETE OR UPDATE OF id, campaign_id, round_id, sample_id, expert_id, quota ON campaigns_assignment
FOR EACH ROW EXECUTE FUNCTION campaigns_keep_assignment();
"""
NO_VOTES = """
DROP TRIGGER vote_repeats_its_assignment ON campaigns_vote;
DROP FUNCTION campaigns_compare_votes();
DROP TRIGGER assignment_stays ON campaigns_assignment;
DROP FUNCTION campaigns_keep_assignment();
"""
PLACES = """
ALTER TABLE campaigns_assignment DROP CONSTRAINT assignment_place_is_the_rounds;

CREATE FUNCTION campaigns_compare_places() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM added a WHERE a.quota IS DISTINCT FROM (
      SELECT s.quota FROM campaigns_roundsample s WHERE s.round_id = a.round_id AND s.sample_id = a.sample_id)
  ) THEN
    RAISE EXCEPTION 'assignment_place_is_the_rounds: its round has no such sample, or another quota'
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'assignment_place_is_the_rounds',
            TABLE = 'campaigns_assignment';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER assignment_place_is_the_rounds AFTER INSERT ON campaigns_assignment REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION campaigns_compare_places();

CREATE FUNCTION campaigns_keep_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM campaigns_assignment a WHERE a.round_id = OLD.round_id AND a.sample_id = OLD.sample_id
      AND a.quota IS DISTINCT FROM (
        SELECT s.quota FROM campaigns_roundsample s WHERE s.round_id = a.round_id AND s.sample_id = a.sample_id)
  ) THEN
    RAISE EXCEPTION 'place_with_claims_stays: sample % of round % was claimed', OLD.sample_id, OLD.round_id
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'place_with_claims_stays',
            TABLE = 'campaigns_roundsample';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER place_with_claims_stays
AFTER DELETE OR UPDATE OF round_id, sample_id, quota ON campaigns_roundsample DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION campaigns_keep_place();
"""
NO_PLACES = """
DROP TRIGGER assignment_place_is_the_rounds ON campaigns_assignment;
DROP FUNCTION campaigns_compare_places();
DROP TRIGGER place_with_claims_stays ON campaigns_roundsample;
DROP FUNCTION campaigns_keep_place();
ALTER TABLE campaigns_assignment ADD CONSTRAINT assignment_place_is_the_rounds
FOREIGN KEY (round_id, sample_id, quota) REFERENCES campaigns_roundsample (round_id, sample_id, quota)
ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;
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
        migrations.RunSQL(VOTES, NO_VOTES),
        migrations.RunSQL(PLACES, NO_PLACES),
        migrations.RemoveConstraint(model_name="roundsample", name="round_sample_and_quota"),
    ]
