-- From here on everything is made by, and belongs to, the owner.
SET ROLE scorer_owner;
