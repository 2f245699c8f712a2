"""Units and the annotated configuration."""
