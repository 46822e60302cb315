"""HTTP: interLink's endpoints and the two health checks."""
