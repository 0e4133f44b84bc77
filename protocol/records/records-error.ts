/**
 * Record data that cannot be read: broken compression, a record that does not fit its lengths, more output than allowed.
 *
 * Unlike a ProtocolError it says nothing about the connection: the frame around the records was fine, so only the batch is
 * refused, or becomes one row that says what is wrong with it. The message never holds payload bytes.
 */
import { ErrorCode } from '../error-codes.ts'

export class RecordsError extends Error {
  override readonly name = 'RecordsError'
  /** The answer to the producer, if it is still waiting for one. */
  readonly errorCode: ErrorCode
  /** Which record of the partition it is about, from 0, where that is known. */
  recordIndex: number | undefined

  constructor(message: string, options: ErrorOptions & { errorCode?: ErrorCode } = {}) {
    super(message, options)
    this.errorCode = options.errorCode ?? ErrorCode.CORRUPT_MESSAGE
  }
}
