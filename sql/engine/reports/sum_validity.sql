-- How long scores were valid in a time, and entities without a valid one; one row per job.
-- A score is valid until it expires or another takes its place. A gap lies between a score's end and the entity's next score; what expired
-- and was not followed is no gap: most of it belongs to records that have ended. So do scores that are past their validity as they are
-- published (bygone), which have neither. Scores of the month before reach into the time.
-- Parameters: jobs (NULL: all), since, until.
SELECT
    v.job,
    count(*) FILTER (WHERE v.scored_at >= v.since) AS scores,
    count(*) FILTER (WHERE v.scored_at >= v.since AND v.bygone) AS bygone,
    CAST(COALESCE(sum(EXTRACT(EPOCH FROM v.ends_at - v.begins_at)) FILTER (WHERE v.ends_at > v.begins_at), 0) AS double precision)
        AS valid_seconds,
    CAST(COALESCE(sum(EXTRACT(EPOCH FROM v.gap_ends_at - v.gap_begins_at)) FILTER (WHERE v.gap_ends_at > v.gap_begins_at), 0) AS double precision)
        AS gap_seconds,
    count(*) FILTER (WHERE v.gap_ends_at > v.gap_begins_at) AS gaps,
    CAST(
        COALESCE(max(EXTRACT(EPOCH FROM v.gap_ends_at - v.gap_begins_at)) FILTER (WHERE v.gap_ends_at > v.gap_begins_at), 0) AS double precision
    ) AS longest_gap_seconds,
    count(*) FILTER (WHERE v.next_at IS NULL AND v.valid_until > v.until) AS valid_at_end,
    count(*) FILTER (WHERE v.next_at IS NULL AND v.valid_until <= v.until AND v.valid_until >= v.since AND NOT v.bygone) AS expired_unfollowed,
    CAST(
        percentile_cont(0.5) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM LEAST(v.valid_until, v.next_at) - v.scored_at))
        FILTER (WHERE v.scored_at >= v.since AND NOT v.bygone) AS double precision
    ) AS half_seconds
FROM (
    SELECT
        w.job,
        w.scored_at,
        w.valid_until,
        w.next_at,
        w.since,
        w.until,
        GREATEST(w.scored_at, w.since) AS begins_at,
        LEAST(w.valid_until, w.next_at, w.until) AS ends_at,
        w.valid_until <= w.scored_at AS bygone,
        GREATEST(w.valid_until, w.since) AS gap_begins_at,
        CASE WHEN w.valid_until > w.scored_at THEN w.next_at END AS gap_ends_at
    FROM (
        SELECT
            s.job,
            s.scored_at,
            s.valid_until,
            CAST(%(since)s AS timestamptz) AS since,
            CAST(%(until)s AS timestamptz) AS until,
            lead(s.scored_at) OVER (PARTITION BY s.job, s.entity_id, s.output ORDER BY s.scored_at, s.score_id) AS next_at
        FROM reporting.published_scores AS s
        WHERE s.run_began_at >= CAST(%(since)s AS timestamptz) - INTERVAL '31 days'
          AND s.run_began_at < %(until)s
          AND s.scored_at < %(until)s
          AND (CAST(%(jobs)s AS text []) IS NULL OR s.job = ANY(CAST(%(jobs)s AS text [])))
    ) AS w
) AS v
GROUP BY v.job
ORDER BY v.job
