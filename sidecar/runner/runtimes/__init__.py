"""The container runtimes: each file is the only one that knows its program's command line."""
