"""One run: observe, plan, hand out, check, merge, and again, until nothing is left or nothing moves."""
