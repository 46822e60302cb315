"""The names that a pod's containers have and know.

Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ and
https://kubernetes.io/docs/tasks/network/customize-hosts-file-for-pods/
"""

from __future__ import annotations

import ipaddress
import re

from sidecar.domain.names import Names
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import decode
from sidecar.wire import kubernetes as kube

_LONGEST_LABEL = 63
_LONGEST_HOSTNAME = 64
"""Of a Linux host: https://man7.org/linux/man-pages/man7/hostname.7.html"""
_DOMAIN = "svc.cluster.local"
"""Kubernetes' default; the sidecar cannot ask for another."""
_WORD = re.compile(r"[!-~]+")
_POLICIES = ("", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")


def read_names(spec: kube.PodSpec, pod_name: str, namespace: str) -> Names:
    """Check and convert.

    :raises MalformedRequest: a name or an address has not the form that Kubernetes gives
    :raises UnsupportedPod: the pod's full name is too long for a host
    """
    hostname, fqdn = _hostname(spec, pod_name, namespace)
    dns = spec.dns_config or kube.DnsConfig()
    policy = spec.dns_policy or ""
    if policy not in _POLICIES:
        raise MalformedRequest(f"spec.dnsPolicy: expected one of {', '.join(_POLICIES[1:])}")
    if policy == "None" and not dns.nameservers:
        raise MalformedRequest("spec.dnsPolicy None needs nameservers in spec.dnsConfig")
    return Names(
        hostname=hostname,
        fqdn=fqdn,
        aliases=tuple(_alias(alias) for alias in spec.host_aliases or []),
        resolver_is_own=policy == "None",
        nameservers=tuple(_address(a, "spec.dnsConfig.nameservers") for a in dns.nameservers or []),
        searches=tuple(_word(search, "spec.dnsConfig.searches") for search in dns.searches or []),
        resolver_options=tuple(_option(option) for option in dns.options or []),
    )


def _hostname(spec: kube.PodSpec, pod_name: str, namespace: str) -> tuple[str, str]:
    """The host's name and its full name; both empty where the pod shares the node's."""
    if spec.hostname_override:
        return decode.subdomain(spec.hostname_override, "$.pod.spec.hostnameOverride"), ""
    if spec.host_network:
        return "", ""
    given = decode.label(spec.hostname, "$.pod.spec.hostname") if spec.hostname else pod_name
    hostname = given[:_LONGEST_LABEL].rstrip("-.")
    if not spec.subdomain:
        return hostname, ""
    fqdn = f"{hostname}.{decode.label(spec.subdomain, '$.pod.spec.subdomain')}.{namespace}.{_DOMAIN}"
    if not spec.set_hostname_as_fqdn:
        return hostname, fqdn
    if len(fqdn) > _LONGEST_HOSTNAME:
        raise UnsupportedPod(
            f"spec.setHostnameAsFQDN: {fqdn} is longer than the {_LONGEST_HOSTNAME} bytes of a hostname"
        )
    return fqdn, fqdn


def _alias(alias: kube.HostAlias) -> tuple[str, ...]:
    where = "$.pod.spec.hostAliases[].hostnames"
    return (
        _address(alias.ip, "spec.hostAliases.ip"),
        *(decode.subdomain(name.lower(), where) for name in alias.hostnames or []),
    )


def _address(text: str, where: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise MalformedRequest(f"{where}: {text[:80]!r} is not an IP address") from None


def _word(text: str, where: str) -> str:
    if not _WORD.fullmatch(text):
        raise MalformedRequest(f"{where}: {text[:80]!r} is not one word")
    return text


def _option(option: kube.DnsOption) -> str:
    where = "spec.dnsConfig.options"
    return _word(option.name if option.value is None else f"{option.name}:{option.value}", where)
