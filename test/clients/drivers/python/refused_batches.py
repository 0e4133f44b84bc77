"""
An idempotent producer with several requests in flight, which writes down what it is told of each message.

It reads one job as JSON from standard input, sends the messages of all streams in turn, waits for every delivery report, and
prints one report as JSON. A stream is one partition of one topic; its messages are numbered from 0 on.
"""
import json
import sys

import confluent_kafka

job = json.load(sys.stdin)
streams = [
    {'topic': stream['topic'], 'partition': stream['partition'], 'delivered': [], 'failed': []} for stream in job['streams']
]
fatal = []


def on_error(error):
    # Anything else librdkafka gets over by itself.
    if error.fatal():
        fatal.append(str(error))


def report_to(stream, n):
    def on_delivery(error, message):
        if error is None:
            stream['delivered'].append(n)
        else:
            stream['failed'].append({'n': n, 'error': str(error)})

    return on_delivery


producer = confluent_kafka.Producer(
    {
        'bootstrap.servers': job['bootstrap'],
        'security.protocol': 'SASL_SSL',
        'ssl.ca.location': job['ca'],
        'sasl.mechanism': 'PLAIN',
        'sasl.username': job['user'],
        'sasl.password': job['password'],
        'enable.idempotence': True,
        'max.in.flight': job['inFlight'],
        'batch.num.messages': job['batchMessages'],
        'message.timeout.ms': job['timeoutMs'],
        'error_cb': on_error,
    }
)
for n in range(job['messages']):
    for stream in streams:
        topic, partition = stream['topic'], stream['partition']
        value = json.dumps({'topic': topic, 'partition': partition, 'n': n, 'message': 'x' * 100}, separators=(',', ':'))
        try:
            producer.produce(topic, value, partition=partition, on_delivery=report_to(stream, n))
        except confluent_kafka.KafkaException as error:
            # After a fatal error nothing is taken any more.
            stream['failed'].append({'n': n, 'error': str(error)})
    producer.poll(0)
try:
    producer.flush()
except confluent_kafka.KafkaException as error:
    fatal.append(str(error))

json.dump({'librdkafka': confluent_kafka.libversion()[0], 'streams': streams, 'fatal': fatal}, sys.stdout)
