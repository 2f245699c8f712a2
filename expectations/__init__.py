"""Great Expectations suites, a folder per job."""
