-- How many rows of the hospital's own table wait to be written or emptied for a job; one row.
-- With it goes for how long the oldest has. recalled: those of them that may show a recalled score. Scores that the flag <job>.write_back
-- keeps from being written are not counted: they wait for a person.
-- Parameters: job, output, flag (the name of that flag), facility_attribute (the attribute that says what an entity belongs to).
SELECT
    count(*) AS entities,
    COALESCE(EXTRACT(EPOCH FROM now() - min(w.since)), 0)::double precision AS seconds,
    count(*) FILTER (WHERE w.recalled) AS recalled,
    COALESCE(EXTRACT(EPOCH FROM now() - min(w.since) FILTER (WHERE w.recalled)), 0)::double precision AS recalled_seconds
FROM scorer.write_backs AS w
CROSS JOIN (SELECT scorer.flag_setting(:flag) AS setting OFFSET 0) AS f
LEFT JOIN scorer.current_scores AS c
    ON f.setting IS NOT NULL
    AND c.job = w.job
    AND c.entity_id = w.entity_id
    AND c.output = :output
WHERE w.job = :job
  AND (
      f.setting IS NULL
      OR w.recalled
      OR scorer.flag_includes(f.setting, :flag, w.entity_id, c.attributes ->> CAST(:facility_attribute AS text))
  )
