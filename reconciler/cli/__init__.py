"""The command line: arguments → engine → view → exit code. The only layer that prints, asks, or knows of a terminal."""
