"""Other processes that do units: who gets which, how they are spoken to, what happens when they die."""
