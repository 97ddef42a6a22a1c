"""What an analysis and a plan are, as documents for programs."""
