"""A study: a sweep's points and what became of them, in a database that several processes may share."""
