-- A finding that is found again is a new version of its row. With room for it on the page, no index has to hear of it. Pages that are
-- there already are left as they are.
ALTER TABLE scorer.rejections SET (fillfactor = 50);
