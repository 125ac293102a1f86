"""What a run will meet, need and find, told before it starts: no model is asked here."""
