"""What a pod is called, and what it calls others: hostname, ``/etc/hosts`` and ``/etc/resolv.conf``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names inside a pod's containers; every text has been checked and holds no white space."""

    hostname: str = ""
    """Empty: the node's own."""
    fqdn: str = ""
    """The hostname with its domain, where the pod has a subdomain."""
    aliases: tuple[tuple[str, ...], ...] = ()
    """Addresses, each with its names."""
    resolver_is_own: bool = False
    """The node's resolver is not used (``dnsPolicy: None``)."""
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    resolver_options: tuple[str, ...] = ()

    @property
    def has_resolver(self) -> bool:
        """Whether the containers resolve names in another way than the node."""
        return self.resolver_is_own or bool(self.nameservers or self.searches or self.resolver_options)
