"""The network that every latency is a multiple of."""

import hashlib

from gasearch_workers.measure.reference_model import reference_model


def test_the_reference_model_is_pinned():
    # Every stored latency is a multiple of this network's. If a change of the graph's form is wanted, searches made
    # before can't be compared with searches made after it: say so in the changelog.
    digest = hashlib.sha256(reference_model()).hexdigest()
    assert digest == "39df2fe81451a3545bae2594fee8ef5cda6d6c6b543c465846476fe10c498fab"
