"""Post-processing retires what it was given: the queue of instructions on their way through the lanes is deep enough."""
