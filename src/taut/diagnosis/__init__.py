"""Evidence, verdict, advice: does a model overfit, why, and what would help."""
