"""confluent-kafka, and so librdkafka, as a client that sends for as long as its standard input is open.

The first line is the configuration as JSON, each other one `TOPIC PARTITION NUMBER VALUE`. What becomes of a record is told in a line
`TOPIC PARTITION NUMBER ok`, or its error in place of `ok`.
"""

import json
import sys
import threading

from confluent_kafka import KafkaException, Producer

producer = Producer(json.loads(sys.stdin.readline()))
has_ended = threading.Event()
told = []


def tell(name, error):
    told.append(f'{name} {"ok" if error is None else error}\n')


def read():
    for line in sys.stdin:
        topic, partition, number, value = line.rstrip('\n').split(' ', 3)
        name = f'{topic} {partition} {number}'

        def on_delivery(error, _message, name=name):
            tell(name, error)

        try:
            producer.produce(topic, value, partition=int(partition), on_delivery=on_delivery)
        except (BufferError, KafkaException) as error:
            tell(name, error)
    has_ended.set()


threading.Thread(target=read, daemon=True).start()
while not has_ended.is_set():
    producer.poll(0.02)
    lines, told[:] = told[:], []
    sys.stdout.write(''.join(lines))
    sys.stdout.flush()
