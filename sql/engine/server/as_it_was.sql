-- What stands for a table, to read it as it was at a moment; one row per table with times.
-- `known` gives later times as empty, and leaves out rows that have later times alone, or that were recorded or updated later, by a
-- column that says so in its name. `settled` leaves out every row that has a later time. What a statement gives with neither of the two
-- as with the table itself depends on what came later. Columns that are `planned` are times that were known ahead.
-- Parameters: relations (array of names), moment, planned (array).
WITH columns AS (
    SELECT
        asked.relation,
        a.attnum,
        a.attname AS name,
        a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
        AND NOT a.attname = ANY (CAST(:planned AS text [])) AS is_time
    FROM unnest(CAST(:relations AS text [])) AS asked (relation)
    JOIN pg_attribute AS a ON a.attrelid = to_regclass(asked.relation)
    WHERE a.attnum > 0
      AND NOT a.attisdropped
)

SELECT
    c.relation,
    format(
        '(SELECT %s FROM %s AS t WHERE (LEAST(%s) > %L) IS NOT TRUE%s)',
        string_agg(
            CASE WHEN c.is_time THEN format('CASE WHEN t.%1$I <= %2$L THEN t.%1$I END AS %1$I', c.name, CAST(:moment AS text)) ELSE format('t.%I', c.name) END,
            ', ' ORDER BY c.attnum
        ),
        c.relation,
        string_agg(format('t.%I', c.name), ', ') FILTER (WHERE c.is_time),
        CAST(:moment AS text),
        string_agg(format(' AND (t.%I > %L) IS NOT TRUE', c.name, CAST(:moment AS text)), '')
            FILTER (WHERE c.is_time AND c.name ~ '(record|updat|modif|chang|enter|known)')
    ) AS known,
    format(
        '(SELECT t.* FROM %s AS t WHERE (GREATEST(%s) > %L) IS NOT TRUE)',
        c.relation,
        string_agg(format('t.%I', c.name), ', ') FILTER (WHERE c.is_time),
        CAST(:moment AS text)
    ) AS settled
FROM columns AS c
GROUP BY c.relation
HAVING bool_or(c.is_time)
