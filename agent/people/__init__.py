"""The people of the house: who they are, and what they are to it. What each of them may do is decided elsewhere."""
