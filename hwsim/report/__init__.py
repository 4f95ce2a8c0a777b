"""Results for people and for other programs: tables, CSV, one-page HTML, timelines."""
