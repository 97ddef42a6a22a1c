"""From problems to what they have in common: groups, cascades, dependencies, and how hard each is."""
