"""Back-off on wrong tokens: an address that sends many gets no other answer for a while than that it has to wait.

Whoever sends a right token is answered whatever others sent from the same address. Secrets have 256 random bits, so
this keeps out noise and load, not guesses.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 10  #: So many wrong tokens cost nothing.
LONGEST_S = 60.0  #: Of a pause; each is twice as long as the one before.
FORGET_S = 900.0  #: After so long without a wrong one an address begins anew.
MOST_ADDRESSES = 4096  #: Remembered; the one that was longest quiet makes room.


@dataclass(slots=True)
class _Strikes:
    count: int = 0
    last: float = 0.0
    until: float = 0.0


class BackOff:
    """Counts wrong tokens by address. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody has sent one yet."""
        self._clock = clock
        self._strikes: OrderedDict[str, _Strikes] = OrderedDict()

    def strike(self, address: str) -> int:
        """Note a wrong token; returns for how many seconds no further one is looked into, 0 where one is."""
        now, network = self._clock(), _network_of(address)
        found = self._strikes.pop(network, None)
        if found is None or now - found.last > FORGET_S:
            found = _Strikes()
        self._strikes[network] = found
        while len(self._strikes) > MOST_ADDRESSES:
            self._strikes.popitem(last=False)
        found.last = now
        if now < found.until:
            return math.ceil(found.until - now)
        found.count += 1
        if found.count > FREE:
            found.until = now + min(LONGEST_S, 2.0 ** (found.count - FREE - 1))
        return 0


def _network_of(address: str) -> str:
    """The address; of IPv6 its first 64 bits, as whoever has one of these has all of them."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((int(parsed), 64), strict=False)) if parsed.version == 6 else address
