-- How far counts lie from the shares that are expected of them; one row for each pair, in order.
-- Parameters: rows (JSON: an array of objects, each with the arrays shares and counts).
SELECT
    scorer.psi(
        ARRAY(SELECT CAST(s.share AS double precision) FROM jsonb_array_elements_text(r.row -> 'shares') WITH ORDINALITY AS s (share, at) ORDER BY s.at),
        ARRAY(SELECT CAST(c.n AS bigint) FROM jsonb_array_elements_text(r.row -> 'counts') WITH ORDINALITY AS c (n, at) ORDER BY c.at)
    ) AS psi
FROM jsonb_array_elements(CAST(:rows AS jsonb)) WITH ORDINALITY AS r (row, at)
ORDER BY r.at
