-- What is wrong with the sales: one row per fault that any has, with the number of sales that have it. An evaluation tells each.
SELECT
    'of parcels that do not exist' AS fault,
    count(*) AS outcomes
FROM value.sales AS s
WHERE NOT EXISTS (SELECT FROM value.parcels AS p WHERE p.parcel = s.parcel)
HAVING count(*) > 0
UNION ALL
SELECT
    'of a parcel that was sold again on the day' AS fault,
    count(*) AS outcomes
FROM value.sales AS s
WHERE EXISTS (SELECT FROM value.sales AS o WHERE o.parcel = s.parcel AND o.sold_at = s.sold_at AND o.sale <> s.sale)
HAVING count(*) > 0
UNION ALL
SELECT
    'of a price that is none' AS fault,
    count(*) AS outcomes
FROM value.sales AS s
WHERE (s.price BETWEEN 20000 AND 30000000) IS NOT TRUE
HAVING count(*) > 0
