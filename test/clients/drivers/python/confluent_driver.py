"""The driver of confluent-kafka, and so of librdkafka, in any version."""

from confluent_kafka import KafkaException, Producer
from job import run_driver


def produce(job, tally):
    producer = Producer(
        {
            'bootstrap.servers': job.bootstrap,
            'security.protocol': 'SASL_SSL',
            'ssl.ca.location': job.ca,
            'sasl.mechanisms': 'PLAIN',
            'sasl.username': job.user,
            'sasl.password': job.password,
            'compression.type': job.codec or 'none',
            'enable.idempotence': job.idempotent,
            'acks': job.acks,
            'message.timeout.ms': job.timeout_ms,
        }
    )

    def on_delivery(error, _message):
        if error is None:
            tally.deliver()
        else:
            tally.fail(error)

    for topic, value in job.messages():
        while True:
            try:
                producer.produce(topic, value, on_delivery=on_delivery)
                break
            except BufferError:
                # The queue is full: wait for reports.
                producer.poll(1)
            except KafkaException as error:
                tally.fail(error)
                break
        producer.poll(0)
    producer.flush()


run_driver(produce)
