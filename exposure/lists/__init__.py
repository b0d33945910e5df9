"""Sanction lists: reading official files, proposing matches, and what reviewed links say on a day."""
