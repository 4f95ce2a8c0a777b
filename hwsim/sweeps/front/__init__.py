"""What is best when there is more than one thing to be best at: Pareto fronts, their hypervolume, their knee."""
