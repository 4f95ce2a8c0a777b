"""A sweep's results: for the terminal, as files, as one page."""
