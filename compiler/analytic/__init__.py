"""What plans cost, in closed form: events exactly, cycles closely, without an instruction being made."""
