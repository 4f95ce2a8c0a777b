"""What a sweep explores: settings of the architecture, the recipe, the mapper and the model, and their combinations."""
