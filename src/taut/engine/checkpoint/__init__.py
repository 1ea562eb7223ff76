"""The archive of a study that can go on, and what says that it is the same study."""
