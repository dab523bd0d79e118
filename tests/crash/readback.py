"""What a plain consumer reads back of topics that services wrote: the chain by the reader rule, and the letters."""

from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Place
from msgspec import Struct

from events import block as blocks
from events.block import NO_HASH, Block, BlockDamaged

ASK_SECONDS = 5.0


class Chain(Struct):
    """One partition of the ledger: the blocks that count, how many records do not, and what is wrong with it."""

    blocks: list[Block]
    skipped: int
    problems: list[str]


async def records_of(servers: str, topic: str, partitions: int) -> list[list[ConsumerRecord]]:
    """All records of a topic, by partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="none", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place, start in (await consumer.beginning_offsets(places)).items():
            consumer.seek(place, start)
        found: list[list[ConsumerRecord]] = [[] for _ in places]
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=100)).items():
                found[place.partition] += records
        return found
    finally:
        await consumer.stop()


def chain_in(records: Sequence[ConsumerRecord]) -> Chain:
    """The chain in the records of a partition; nothing of the ledger's own reading is used."""
    chain = Chain([], 0, [])
    for record in records:
        where = f"{record.topic}/{record.partition}:{record.offset}"
        try:
            _take(chain, record)
        except (BlockDamaged, ValueError, msgspec.MsgspecError) as error:
            chain.problems.append(f"{where}: {error}")
    return chain


def _take(chain: Chain, record: ConsumerRecord) -> None:
    block = blocks.block_of(record.value)
    before = chain.blocks[-1] if chain.blocks else None
    height, last = len(chain.blocks), NO_HASH if before is None else before.hash
    if block.header.height > height:
        raise BlockDamaged(f"block {block.header.height} comes where {height} is due: blocks are lost")
    if block.header.height < height or block.header.prev_hash != last:
        chain.skipped += 1
        return
    blocks.check_next(before, block)
    blocks.check_entries(block)
    header, ((name, told),) = block.header, record.headers
    facts = [header.partition, height, header.first_seq, header.entries, header.recorded_at, last, block.hash]
    if name != "block" or msgspec.msgpack.decode(told) != facts or header.partition != record.partition:
        raise BlockDamaged("the header of the record says other things than the block")
    chain.blocks.append(block)


def is_read(servers: str, group: str, topic: str, partitions: int) -> bool:
    """Whether a group has committed all that a topic holds now; also False while nobody answers."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False, "log_level": 0})
    try:
        places = [Place(topic, partition) for partition in range(partitions)]
        committed = {place.partition: place.offset for place in consumer.committed(places, timeout=ASK_SECONDS)}
        ends = {one.partition: consumer.get_watermark_offsets(one, timeout=ASK_SECONDS) for one in places}
    except KafkaException:
        return False
    finally:
        consumer.close()
    return all(committed[partition] == end for partition, (_, end) in ends.items())
