"""From groups to a plan: strategies, packing, schedules, and the number of workers."""
