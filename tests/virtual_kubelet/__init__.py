"""A model of what stands between Kubernetes and the sidecar: interLink's virtual kubelet and its API server.

Written from how they behave, https://github.com/interlink-hq/interLink/blob/main/pkg/virtualkubelet/execute.go and
https://github.com/interlink-hq/interLink/tree/main/pkg/interlink/api, so that tests can say what ``kubectl`` shows.
"""
