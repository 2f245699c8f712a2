-- Lets a run find what belongs to an enrolment or a course without reading whole tables. For the tables' owner to run by hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
-- Nothing is locked against reading or writing meanwhile.
CREATE INDEX CONCURRENTLY IF NOT EXISTS submissions_of_enrolment_idx ON churn.submissions (enrolment_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS clicks_of_enrolment_idx ON churn.clicks (enrolment_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS enrolments_of_course_idx ON churn.enrolments (course_id);
