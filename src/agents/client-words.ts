/** What the libraries say that agents send with, as far as agents pass it on unchanged. */
import type { Cause } from './causes.ts'

/** Sarama: Beats, Telegraf, apinto. */
export const saramaSays = {
  refused: 'kafka server: The client is not authorized to access this topic',
  unknown: 'kafka server: Request was for a topic or partition that does not exist on this broker',
  storage: 'kafka server: Disk error when trying to access log file on the disk',
  unreachable: 'kafka: client has run out of available brokers to talk to',
  certificate: 'x509: certificate signed by unknown authority',
} as const satisfies Record<Cause, string>

/** librdkafka: kcat, rsyslog, syslog-ng, collectd, Vector, Fluent Bit. */
export const librdkafkaSays = {
  refused: 'Broker: Topic authorization failed',
  unknown: 'Broker: Unknown topic or partition',
  storage: 'Broker: Disk error when trying to access log file on disk',
  unreachable: 'Connect to ipv4#192.0.2.10:10012 failed: Connection refused',
  certificate: 'SSL handshake failed: … certificate verify failed: broker certificate could not be verified',
} as const satisfies Record<Cause, string>

/** franz-go: the OpenTelemetry Collector. */
export const franzSays = {
  refused: 'TOPIC_AUTHORIZATION_FAILED: Not authorized to access topics: [Topic authorization failed.]',
  unknown: 'UNKNOWN_TOPIC_OR_PARTITION: This server does not host this topic-partition.',
  storage: 'KAFKA_STORAGE_ERROR: Disk error when trying to access log file on the disk.',
  unreachable: 'unable to dial: dial tcp 192.0.2.10:10012: connect: connection refused',
  certificate: 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
} as const satisfies Record<Cause, string>

/** kafka-clients: Logstash. */
export const javaSays = {
  refused: 'TopicAuthorizationException: Not authorized to access topics: [nginx]',
  unknown: 'TimeoutException: Topic nginx not present in metadata after 60000 ms.',
  storage: 'KafkaStorageException: Disk error when trying to access log file on the disk.',
  unreachable: 'Connection to node -1 (logs.example.com/192.0.2.10:10012) could not be established',
  certificate: 'SslAuthenticationException: SSL handshake failed … PKIX path building failed',
} as const satisfies Record<Cause, string>
