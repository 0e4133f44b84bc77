/**
 * Why logs do not arrive, whatever agent sends them, and what to do. Agents differ in the words for it.
 */
export interface CauseText {
  title: string
  cause: string
  fix: string
}

/** In the order in which the pages have them. */
export const causes = {
  refused: {
    title: 'TOPIC_AUTHORIZATION_FAILED',
    cause: 'The access key is wrong or was deleted, or it may not write to this logstore.',
    fix:
      '`sluice key list PROJECT` shows the keys and the logstores of each. The password is `ID#SECRET`, both parts ' +
      'with the `#` between ' +
      'them; `sluice key create PROJECT` makes another one.',
  },
  unknown: {
    title: 'UNKNOWN_TOPIC_OR_PARTITION',
    cause: 'The project (the user name) or the logstore (the topic) does not exist, or the project is one of another region.',
    fix:
      '`sluice project list` and `sluice logstore list PROJECT` show what there is; `sluice logstore create ' +
      'PROJECT/LOGSTORE` makes what is ' +
      'missing. Logstores are never made by writing to them.',
  },
  storage: {
    title: 'KAFKA_STORAGE_ERROR',
    cause: 'The disk of the server failed: nothing of the batch was promised.',
    fix:
      'The log of the server says what the disk said, `sluice doctor` looks at it. Agents send the batch again when the ' +
      'disk is well.',
  },
  unreachable: {
    title: 'The network',
    cause:
      'Nobody answers there: the host or the port is a wrong one, something lies between, or a listener with TLS is ' +
      'spoken to without it.',
    fix:
      '`sluice doctor` on the server shows the ports; `openssl s_client -connect HOST:PORT` on the side of the agent ' +
      'shows whether they ' +
      'can be reached, and the certificate.',
  },
  certificate: {
    title: 'The certificate',
    cause: 'The agent does not trust the CA of the server, or the certificate is not for the host name that it connects to.',
    fix:
      'Copy `certs/ca.pem` of the data directory to the agent, and name it in its configuration. `sluice certs ' +
      'DATA/certs --host NAME` makes ' +
      'the certificate good for another name; start the server anew then.',
  },
} as const satisfies Record<string, CauseText>

export type Cause = keyof typeof causes

export const causeNames = Object.keys(causes) as readonly Cause[]

/** What else sluice answers, for docs/errors.md: the code, the situation, and what to do. */
export const otherRefusals: readonly (readonly [code: number, situation: string, fix: string])[] = [
  [
    2,
    'The batch was damaged on the way.',
    'Clients send it again. If it comes back, look for what changes bytes between the two: a proxy, memory.',
  ],
  [10, 'A batch above 16 MiB or 1,000,000 records.', 'Lower the largest batch or message of the agent.'],
  [17, 'The topic has a name that Kafka does not allow.', 'Write the name of a logstore: a-z, 0-9, `-` and `_`.'],
  [
    19,
    'No room in the journal, or the project is far above its quota. Nothing was stored.',
    'Clients send it again by themselves. `sluice status` says what is in the way; [room and ' +
      'quotas](configuration.md#room-and-quotas) how it is set.',
  ],
  [21, 'The agent asks for acks other than 0, 1 or -1 (all).', 'Set 1 or all.'],
  [29, 'Something wants to read logs over Kafka.', 'Logs cannot be consumed; query them instead.'],
  [30, 'A consumer group.', 'The same.'],
  [33, 'A SASL mechanism other than PLAIN.', 'Set PLAIN. Several agents have another default: GSSAPI in Logstash.'],
  [
    45,
    'An idempotent producer left a batch out, since it was refused.',
    'Clients sort it out. If one reports it, start it anew.',
  ],
  [47, 'A newer instance of the same producer has taken over.', 'Let only one run.'],
  [53, 'Transactions.', 'There are none: set no transactional id.'],
  [58, 'The access key is wrong, and the server has `auth.reject: sasl`.', 'As with TOPIC_AUTHORIZATION_FAILED.'],
  [76, 'A codec that Kafka does not know.', 'Set none, gzip, snappy, lz4 or zstd.'],
  [
    87,
    'A batch that no producer should make: of a transaction, empty, or its counts are wrong.',
    'The message of the answer says which; it is a fault of the client library.',
  ],
]
