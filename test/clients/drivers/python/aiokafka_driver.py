"""The driver of aiokafka."""

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.helpers import create_ssl_context
from job import run_driver


async def produce(job, tally):
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap,
        security_protocol='SASL_SSL',
        ssl_context=create_ssl_context(cafile=job.ca),
        sasl_mechanism='PLAIN',
        sasl_plain_username=job.user,
        sasl_plain_password=job.password,
        compression_type=job.codec,
        enable_idempotence=job.idempotent,
        acks='all' if job.acks == -1 else job.acks,
        # How long a record may take, too.
        request_timeout_ms=job.timeout_ms,
    )
    try:
        await producer.start()
        futures = [await producer.send(topic, value) for topic, value in job.messages()]
        for outcome in await asyncio.gather(*futures, return_exceptions=True):
            if isinstance(outcome, BaseException):
                tally.fail(outcome)
            else:
                tally.deliver()
    finally:
        await producer.stop()


run_driver(lambda job, tally: asyncio.run(produce(job, tally)))
