"""The command line: verbs for the people who run a site."""
