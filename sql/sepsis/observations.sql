-- What was known of each entity as of its time: one row per observation, in no order. Rows without a date, or dated in the future, are
-- known too: the suite refuses them, with a reason. `same_client` is false where the observation names another client than its visit,
-- and NULL in all other rows, which costs nothing to send.
-- `known_from` is when the row came to be known: training reads a visit once, and takes for each as-of time the rows known by then. No
-- other column may depend on the as-of time, therefore.
-- `recorded_at` says which of two values of one code and moment is the later. It is no input of the features, nor is `known_from`.
-- A date from 2090 on is what a system writes where it knows none: such a row is known, and the suite refuses it.
-- What was recorded after the as-of time and is known all the same (known_ats later than as_ofs) counts where its date lies before.
-- Observations are found by one walk of the index, and only then joined with what is known of their visits: each page of the table is read
-- once. Joined at once, the planner likes to read the table whole for 5,000 visits (of 50 million rows, 7.4 s a batch instead of 0.2). OFFSET 0
-- keeps the two apart; that the walk is one of the index, the session's enable_seqscan says, which is off where entities are asked for.
-- Where rows are kept from run to run, those that changed are read by their keys. by_keys is written into the statement, true or false, so
-- that the planner sees one of the two conditions alone. So that kept rows stay true, a row depends on its observation and its visit, and on
-- nothing that changed_observations.sql does not capture.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per entity), by_keys, observation_ids (array).
SELECT
    k.position,
    o.observation_id,
    o.observation_date,
    o.observation_type_code,
    o.observation_value,
    o.reference_range_min,
    o.reference_range_max,
    CASE WHEN o.client <> v.client THEN false END AS same_client,
    o.recorded_at,
    COALESCE(o.recorded_at, o.dated_at) AS known_from
FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
JOIN public.visits AS v ON v.visit_id = CAST(k.entity_id AS bigint)
JOIN (
    SELECT
        *,
        CASE WHEN observation_date < TIMESTAMPTZ '2090-01-01 UTC' THEN observation_date END AS dated_at
    FROM public.patient_observations
    WHERE (NOT CAST(:by_keys AS boolean) AND visit_id = ANY (CAST(:entity_ids AS bigint [])))
       OR (CAST(:by_keys AS boolean) AND observation_id = ANY (ARRAY(SELECT unnest(CAST(:observation_ids AS bigint [])))))
    OFFSET 0
) AS o ON o.visit_id = v.visit_id
WHERE (COALESCE(o.recorded_at, o.dated_at) > k.known_at) IS NOT TRUE
  AND (LEAST(o.dated_at, o.recorded_at) > k.as_of) IS NOT TRUE
