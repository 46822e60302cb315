"""The database: events that are only ever added, and the pods' present states derived from them."""
