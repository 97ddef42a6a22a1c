"""`pw analyze` and `pw decompose`: what is in a report, and how the work would be split. Nothing is stored."""
