"""The revisions as the file names say them."""

from __future__ import annotations

from alembic.script import ScriptDirectory

from scorer.config import shipped_root
from scorer.database import revisions


def test_the_revisions_by_file_name_are_those_of_alembic() -> None:
    scripts = ScriptDirectory(str(shipped_root() / "migrations"))
    known = [script.revision for script in scripts.walk_revisions()]
    assert list(revisions.known_revisions()) == known[::-1]
    assert revisions.known_revisions()[-1] == scripts.get_current_head()
