/**
 * Bytes that are not the Kafka protocol. Thrown by the reader and the framing, caught by the connection, which logs it once
 * and closes: after the first misread byte nothing behind it can be trusted.
 *
 * The message says what was found and where. It never holds payload bytes: they may be a password or somebody's logs.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}
