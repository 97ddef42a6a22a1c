"""`pw replay`: a past task once more: how it stood, whether it would go the same way, at its pace, or anew."""
