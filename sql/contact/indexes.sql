-- Lets a run find a person's prompts and answers without reading whole tables. For the tables' owner to run by hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
-- Nothing is locked against reading or writing meanwhile.
CREATE INDEX CONCURRENTLY IF NOT EXISTS prompts_of_person_idx ON contact.prompts (person_id, sent_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS answers_of_person_idx ON contact.answers (person_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS answers_of_prompt_idx ON contact.answers (prompt_id);
