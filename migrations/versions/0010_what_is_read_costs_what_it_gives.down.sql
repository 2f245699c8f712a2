-- Takes the indexes away, and which runs looked at everyone: the next run does.

DROP INDEX scorer.rejections_of_nobody;
DROP INDEX scorer.current_scores_without_score;
DROP INDEX scorer.runs_known_otherwise;
ALTER TABLE scorer.runs DROP COLUMN swept;
