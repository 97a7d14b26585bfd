"""How well the model judges, measured on labelled texts."""
