"""What a task tells afterwards: one document, written for people, for programs, for the web."""
