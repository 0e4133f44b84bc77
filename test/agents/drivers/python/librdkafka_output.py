"""The output of an agent that sends with librdkafka.

The first line of standard input is the Job of test/agents/drivers/librdkafka.ts, each other one is the value of a record.
"""

import json
import sys
import threading
import time

from confluent_kafka import KafkaException, Producer

job = json.loads(sys.stdin.buffer.readline())
producer = Producer(job['properties'])

# What is said of one record after the other is printed once.
said = ''


def say(template, error):
    global said
    # As Rust names it, and the words of the library without those of Python.
    name = error.name().title().replace('_', '').replace('Msg', 'Message').replace('OrPart', 'OrPartition')
    text = error.str().removeprefix('Unable to produce message: ')
    words = template.format(name=name, text=text, topic=job['topic'])
    if words != said:
        print(words, flush=True)
    said = words


def on_delivery(error, _message):
    if error is not None:
        say(job['refused'], error)


def poll():
    while True:
        producer.poll(0.1)


threading.Thread(target=poll, daemon=True).start()

for line in sys.stdin.buffer:
    while True:
        try:
            producer.produce(job['topic'], line.rstrip(b'\n'), on_delivery=on_delivery)
            break
        except BufferError:
            # The queue of the library is full.
            time.sleep(job['queueFullMs'] / 1000)
        except KafkaException as error:
            say(job['failed'], error.args[0])
            break
producer.flush()
