"""Results for people: tables, and later pages and plots."""
