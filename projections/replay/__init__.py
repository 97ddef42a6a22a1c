"""Past tasks again: how they stood, whether today's code would decide the same, and at which pace they went."""
