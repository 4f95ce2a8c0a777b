"""The pages of the handbook that the sources determine: instruction set, registers, counters, configuration, commands.

Each function of :mod:`hwsim.handbook.pages` returns one page of Markdown. ``make docs`` calls them while it builds;
nothing of them is committed, so that a page cannot say other than the hardware.
"""
