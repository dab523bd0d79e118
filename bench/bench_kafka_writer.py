"""How fast the writer books from Kafka to Kafka on one core, beside a bare consumer that decodes the same topic."""

import asyncio
import gc
import time
from statistics import median
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec.structs import replace

from bench.cluster import environment_of, made, publish, servers
from bench.commands import scratch
from bench.results import record
from bench.streams import contracts, demo_in_order
from events.vocabulary import AnyEvent
from services.kafka.connection import Names, client_options
from services.kafka.writing import writer_service
from services.metrics import Metrics
from services.settings import Settings
from services.tuning import tune

EVENTS: Final = 100_000
RUNS: Final = 5
RATIO: Final = 0.5


def main() -> None:
    """Measures both streams; consumer and writer in turns, each from the beginning of the same topic."""
    tune()  # as the writer's process is; the consumer's side gains by it as well
    streams = {"demo": demo_in_order(13_000)[:EVENTS], "contracts": list(contracts(EVENTS))}
    bare: dict[str, list[float]] = {name: [] for name in streams}
    written: dict[str, list[float]] = {name: [] for name in streams}
    with servers() as where:
        for _ in range(RUNS):
            for name, raws in streams.items():
                settings = made(environment_of(where, 1))
                publish(settings, raws)
                gc.collect()
                bare[name].append(len(raws) / asyncio.run(_consumed_seconds(settings, len(raws))))
                gc.collect()
                written[name].append(len(raws) / asyncio.run(_written_seconds(settings, len(raws))))
    for name, what in (("contracts", "contracts alone"), ("demo", "the made-up company in order")):
        ratios = [mine / its for mine, its in zip(written[name], bare[name], strict=True)]
        claim = (
            f"writer from Kafka to Kafka ({what}), as a part of what a bare aiokafka consumer decodes from the topic"
        )
        record(f"kafka-writer-{name}", claim, ratios, "times", "at least", RATIO)
        print(f"  writer {median(written[name]):,.0f}, consumer {median(bare[name]):,.0f} events/s of CPU time")


async def _consumed_seconds(settings: Settings, count: int) -> float:
    """CPU time to read and decode all events of the topic, and no more."""
    place = TopicPartition(Names(settings.prefix).events, 0)
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest")
    decode = msgspec.json.Decoder(AnyEvent).decode
    await consumer.start()
    try:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        began = time.process_time()
        seen = 0
        while seen < count:
            for records in (await consumer.getmany(timeout_ms=1_000, max_records=1_000)).values():
                for one in records:
                    decode(one.value)
                seen += len(records)
        return time.process_time() - began
    finally:
        await consumer.stop()


async def _written_seconds(settings: Settings, count: int) -> float:
    """CPU time to book all events of the topic into a ledger of its own."""
    with scratch() as data:
        own = replace(settings, data=data)
        metrics = Metrics()
        began = time.process_time()
        async with writer_service(own, metrics) as writer:
            working = asyncio.create_task(writer.run())
            while _booked(metrics) < count:
                await asyncio.sleep(0.05)
                assert not working.done(), working
            seconds = time.process_time() - began
            working.cancel()
            await asyncio.wait([working])
        return seconds


def _booked(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("revledger_booked_total", {"partition": "0"}) or 0.0


if __name__ == "__main__":
    main()
