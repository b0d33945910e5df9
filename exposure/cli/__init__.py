"""The command line: one file a command group, no logic. Heavy libraries load inside commands only."""
