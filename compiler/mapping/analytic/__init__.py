"""What plans cost: events exactly, in closed form; cycles closely; without an instruction being made."""
