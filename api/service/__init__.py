"""What the service does, behind its routes."""
