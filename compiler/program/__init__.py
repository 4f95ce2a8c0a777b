"""Programs: instructions, memory image, and the tokens that keep the engines in step."""
