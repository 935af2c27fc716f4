"""One module a command. `reconciler.cli.main` imports the one that was asked for and calls its `command`."""
