-- Indexes by which a run finds a woman's newest examination and what belongs to it. `scorer load --job pcos` makes its own. By hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
CREATE INDEX CONCURRENTLY IF NOT EXISTS pcos_examinations_of_users_idx ON pcos.examinations (user_id, examined_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS pcos_answers_of_examinations_idx ON pcos.answers (exam_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS pcos_measurements_of_examinations_idx ON pcos.measurements (exam_id);
