-- Has the server refuse statements whose rows a policy would hide from this session.
SET row_security TO off
