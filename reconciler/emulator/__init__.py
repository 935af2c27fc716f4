"""An emulated Windows estate: machines that behave as the reference says Windows does, in virtual time.

Tests, demos and `--estate` reach it as a host; nothing here knows what any kind assumes, so the two are independent
models of one world. Kinds, rules, engine and operator never import it.
"""
