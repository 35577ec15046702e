"""Trainings that others made and labelled, repaired ones, and more of the kinds that public collections name."""
