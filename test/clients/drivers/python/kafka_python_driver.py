"""The driver of kafka-python, in any version from 2.0 on."""

from job import run_driver
from kafka import KafkaProducer


def produce(job, tally):
    known = KafkaProducer.DEFAULT_CONFIG
    settings = {
        'bootstrap_servers': job.bootstrap,
        'security_protocol': 'SASL_SSL',
        'ssl_cafile': job.ca,
        'sasl_mechanism': 'PLAIN',
        'sasl_plain_username': job.user,
        'sasl_plain_password': job.password,
        'compression_type': job.codec,
        'acks': 'all' if job.acks == -1 else job.acks,
        'max_block_ms': job.timeout_ms,
    }
    # 2.0 has neither.
    if 'enable_idempotence' in known:
        settings['enable_idempotence'] = job.idempotent
    if 'delivery_timeout_ms' in known:
        settings['delivery_timeout_ms'] = job.timeout_ms
    producer = KafkaProducer(**settings)
    futures = [producer.send(topic, value) for topic, value in job.messages()]
    producer.flush()
    for future in futures:
        if future.succeeded():
            tally.deliver()
        elif future.failed():
            tally.fail(future.exception)
    producer.close()


run_driver(produce)
