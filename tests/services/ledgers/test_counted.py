"""A counted ledger: the sizes of what was appended, and races lost; otherwise the ledger itself."""

import pytest

from services.ledgers.counted import counted_ledger
from services.ledgers.memory import memory_ledger
from services.ledgers.port import HeightTaken
from services.metrics import Metrics
from tests.services.ledgers.blocks import chain
from tests.services.running import asynchronous


@asynchronous
async def test_appends_are_counted() -> None:
    metrics, inner = Metrics(), memory_ledger()
    ledger = counted_ledger(inner, metrics)
    blocks = chain(3, entries=2)
    await ledger.append(blocks)
    with pytest.raises(HeightTaken):
        await ledger.append(blocks[1:])
    assert await ledger.tail(0) == await inner.tail(0) == blocks[2]
    samples = metrics.registry.get_sample_value
    assert samples("revledger_block_entries_count") == 3
    assert samples("revledger_block_entries_sum") == 6
    assert samples("revledger_block_bytes_sum") == sum(len(block.data) for block in blocks)
    assert samples("revledger_overtaken_total", {"partition": "0"}) == 1
