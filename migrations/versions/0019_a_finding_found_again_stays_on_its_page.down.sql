ALTER TABLE scorer.rejections RESET (fillfactor);
