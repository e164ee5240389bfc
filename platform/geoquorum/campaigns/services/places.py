"""The one statement that takes places below a quota, for ordinary claims and for hidden ones alike.

It follows a query `free` (sample_id, number, slot): whose rows the caller has locked, in which order, and which place
of each is free, null where none is. So no column of a claim can tell which kind it is.
"""

TAKE_FREE = """
taken AS (
    INSERT INTO campaigns_assignment AS old
        (campaign_id, round_id, sample_id, expert_id, session_id, quota, slot, state, lease_until)
    SELECT %(campaign)s, %(round)s, sample_id, %(expert)s, %(session)s, %(quota)s, slot, 'claimed',
           clock_timestamp() + make_interval(secs => %(lease)s)
    FROM free WHERE slot IS NOT NULL ORDER BY number
    ON CONFLICT (round_id, sample_id, expert_id) DO UPDATE
        SET state = 'claimed', slot = EXCLUDED.slot, lease_until = EXCLUDED.lease_until,
            claimed_at = clock_timestamp(), session_id = EXCLUDED.session_id
        WHERE old.state = 'released'
    RETURNING id, sample_id
), counted AS (
    UPDATE campaigns_roundsample s SET slots_taken = s.slots_taken + 1, is_full = s.slots_taken + 1 >= %(quota)s
    FROM taken WHERE s.round_id = %(round)s AND s.sample_id = taken.sample_id
)
SELECT taken.id FROM taken JOIN free USING (sample_id) ORDER BY free.number
"""
