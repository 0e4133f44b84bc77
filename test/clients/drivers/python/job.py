"""What the drivers in Python share: the job, its records, and the report. See test/clients/client.ts."""

import json
import sys


class Job:
    def __init__(self, fields):
        self.bootstrap = fields['bootstrap']
        self.ca = fields['ca']
        self.user = fields['user']
        self.password = fields['password']
        # As clients name it: none is None to most of them.
        self.codec = None if fields['codec'] == 'none' else fields['codec']
        self.idempotent = fields['idempotent']
        self.acks = fields['acks']
        self.records = fields['records']
        self.timeout_ms = fields['timeoutMs']
        self._topics = fields['topics']
        self._run = fields['run']

    def messages(self):
        """Pairs of a topic and a value."""
        for n in range(self.records):
            message = (
                f'198.51.100.{n % 200} - - "GET /catalogue/items/{n}?page={n % 9}&sort=price HTTP/1.1" 200 {700 + n % 4000} '
                f'"https://shop.example.com/catalogue" "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"'
            )
            value = json.dumps({'run': self._run, 'n': n, 'message': message}, separators=(',', ':')).encode()
            yield self._topics[n % len(self._topics)], value


class Tally:
    """Counts what the client tells of its records."""

    def __init__(self):
        self.delivered = 0
        self.failed = 0
        self.error = None

    def deliver(self):
        self.delivered += 1

    def fail(self, error):
        self.failed += 1
        self.error = self.error or _words(error)


def run_driver(produce):
    """Does the job that standard input holds: calls `produce(job, tally)`. What it raises has failed all records that are left."""
    job = Job(json.load(sys.stdin))
    tally = Tally()
    try:
        produce(job, tally)
        rest = 'the client said nothing of its delivery'
    except Exception as error:
        rest = error
    while tally.delivered + tally.failed < job.records:
        tally.fail(rest)
    json.dump({'delivered': tally.delivered, 'failed': tally.failed, 'error': tally.error}, sys.stdout)


def _words(error):
    """As a trace ends with it."""
    text = str(error)
    name = type(error).__name__
    return text if isinstance(error, str) or name in text else f'{name}: {text}'
