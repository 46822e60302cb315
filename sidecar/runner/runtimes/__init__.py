"""The container runtimes: only these modules know a runtime's command line."""
