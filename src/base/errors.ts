/**
 * Every failure that sluice reports to a person, in one table: its code, the HTTP status it becomes, the Kafka error code
 * it becomes where a producer is told of it, and the sentence that says what happened and what to do.
 *
 * A message never holds a secret or a byte of a payload. What a client may do wrong on the wire is not here: that is a
 * value in the answer (`protocol/error-codes.ts`), or a ProtocolError that ends the connection.
 */
import { ErrorCode } from '../../protocol/error-codes.ts'

interface ErrorKind<Details> {
  /** The HTTP status of an answer that reports this. */
  status: number
  /** The code a producer is given where this ends a produce request; absent where none ever meets it. */
  kafka?: number
  message: (details: Details) => string
}

function kind<Details>(status: number, message: (details: Details) => string, kafka?: number): ErrorKind<Details> {
  return kafka === undefined ? { status, message } : { status, message, kafka }
}

export const errorKinds = {
  INVALID_NAME: kind(
    400,
    ({ what, name }: { what: string; name: string }) =>
      `${JSON.stringify(name)} is not a name for a ${what}: use 3 to 63 of a-z, 0-9, "-" and "_", beginning and ending with a letter or digit`,
  ),
  INVALID_ARGUMENT: kind(400, ({ problem }: { problem: string }) => problem),
  PROJECT_EXISTS: kind(409, ({ project }: { project: string }) => `project "${project}" exists already`),
  PROJECT_NOT_FOUND: kind(
    404,
    ({ project }: { project: string }) => `project "${project}" does not exist; "sluice project create ${project}" makes it`,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ),
  PROJECT_NOT_EMPTY: kind(
    409,
    ({ project, logstores }: { project: string; logstores: number }) =>
      `project "${project}" still has ${logstores} logstore(s); delete them first`,
  ),
  LOGSTORE_EXISTS: kind(
    409,
    ({ project, logstore }: { project: string; logstore: string }) =>
      `logstore "${logstore}" exists already in project "${project}"`,
  ),
  LOGSTORE_NOT_FOUND: kind(
    404,
    ({ project, logstore }: { project: string; logstore: string }) =>
      `logstore "${logstore}" does not exist in project "${project}"; "sluice logstore create ${project}/${logstore}" makes it`,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ),
  ACCESS_KEY_EXISTS: kind(
    409,
    ({ project, accessKeyId }: { project: string; accessKeyId: string }) =>
      `access key "${accessKeyId}" exists already in project "${project}"`,
  ),
  ACCESS_KEY_NOT_FOUND: kind(
    404,
    ({ project, accessKeyId }: { project: string; accessKeyId: string }) =>
      `access key "${accessKeyId}" does not exist in project "${project}"`,
  ),

  STORAGE_FAILED: kind(503, ({ doing }: { doing: string }) => `the disk failed while ${doing}`, ErrorCode.KAFKA_STORAGE_ERROR),
  JOURNAL_DAMAGED: kind(
    500,
    ({ file, position, problem }: { file: string; position: number; problem: string }) =>
      `the journal is damaged: ${problem} at byte ${position} of ${file}; it was acknowledged, so nothing is skipped: ` +
      '"sluice journal verify" says what is damaged; restore the file from a backup of the disk, ' +
      'or "sluice journal repair" goes on without what cannot be read',
  ),
  JOURNAL_UNREPAIRABLE: kind(500, ({ problem }: { problem: string }) => `the journal cannot be repaired: ${problem}`),
  PARKED_DAMAGED: kind(
    500,
    ({ file, position, problem }: { file: string; position: number; problem: string }) =>
      `logs that wait for their table are damaged: ${problem} at byte ${position} of ${file}; they were acknowledged, so nothing is ` +
      'skipped: restore the file from a backup of the disk, or stop sluice, and "sluice journal repair" goes on without what cannot be read',
  ),
  JOURNAL_FORMAT: kind(
    500,
    ({ file, version, newest }: { file: string; version: number; newest: number }) =>
      `${file} has format version ${version}, this sluice reads up to ${newest}: start the newer sluice that wrote it`,
  ),
  DATA_LOCKED: kind(
    409,
    ({ directory, holder }: { directory: string; holder: string }) => `the data directory ${directory} is in use by ${holder}`,
  ),
  CATALOG_UNREADABLE: kind(
    500,
    ({ file, problem }: { file: string; problem: string }) =>
      `the catalog ${file} cannot be read: ${problem}; restore it from a backup`,
  ),
  CATALOG_FORMAT: kind(
    500,
    ({ file, version, newest }: { file: string; version: number; newest: number }) =>
      `the catalog ${file} has format version ${version}, this sluice reads up to ${newest}: start the newer sluice that wrote it`,
  ),
  AUTHENTICATION_BUSY: kind(
    503,
    (_: Record<string, never>) => 'too many access keys wait to be checked; connect again in a moment',
  ),

  CONFIG_INVALID: kind(400, ({ file, problem }: { file: string; problem: string }) => `${file}: ${problem}`),
  PORT_IN_USE: kind(
    500,
    ({ listener, port, holder, option }: { listener: string; port: number; holder: string; option: string }) =>
      `port ${port} (the ${listener} listener) is taken${holder}; choose another one with the setting ${option}`,
  ),
  CERTIFICATE_INVALID: kind(500, ({ file, problem }: { file: string; problem: string }) => `certificate ${file}: ${problem}`),

  STORE_UNAVAILABLE: kind(503, ({ problem }: { problem: string }) => `ClickHouse does not answer: ${problem}`),
  STORE_REFUSED: kind(400, ({ problem }: { problem: string }) => `ClickHouse refused the statement: ${problem}`),
  ENGINE_FAILED: kind(
    500,
    ({ problem, log }: { problem: string; log: string }) =>
      `the embedded ClickHouse does not start: ${problem}; its log is ${log}`,
  ),
  TABLE_NOT_OURS: kind(
    409,
    ({ table, found }: { table: string; found: string }) =>
      `table ${table} was not made by this sluice (${found}) and is left alone: rename or drop it`,
  ),
  TABLE_NEWER: kind(
    409,
    ({ table, version, newest }: { table: string; version: number; newest: number }) =>
      `table ${table} has layout version ${version}, this sluice knows up to ${newest}: start the newer sluice that made it`,
  ),
  FIELD_EXISTS: kind(
    409,
    ({ path, type, logstore }: { path: string; type: string; logstore: string }) =>
      `field ${path} of logstore "${logstore}" is a column already, of type ${type}; to change its type, remove it and add it again`,
  ),
  FIELD_NOT_FOUND: kind(
    404,
    ({ path, logstore }: { path: string; logstore: string }) =>
      `field ${path} is no column of logstore "${logstore}"; "sluice logstore field list" shows which are`,
  ),
  TOO_MANY_FIELDS: kind(
    409,
    ({ logstore, limit }: { logstore: string; limit: number }) =>
      `logstore "${logstore}" has ${limit} fields that are columns, which is the limit: remove one first; any other field is found by its path`,
  ),
  TABLE_AHEAD: kind(
    409,
    ({ project, logstore, shard, offset }: { project: string; logstore: string; shard: number; offset: number }) =>
      `the table of logstore "${logstore}" in project "${project}" holds logs of shard ${shard} up to offset ${offset} that are not those ` +
      'of this journal, which was replaced or has lost its end: restore the journal, or delete the logstore and make it anew',
  ),
  DUMP_RUNNING: kind(409, (_: Record<string, never>) => 'a dump is being recorded already; wait until it ends, or end it'),
  DUMP_UNREADABLE: kind(
    400,
    ({ file, line, problem }: { file: string; line: number; problem: string }) => `${file}, line ${line}: ${problem}`,
  ),
  EXPORT_INCOMPLETE: kind(500, ({ problem }: { problem: string }) => `the export is not complete: ${problem}`),
  BACKUP_RUNNING: kind(409, (_: Record<string, never>) => 'a backup is being made already; wait until it ends'),
  BACKUP_FAILED: kind(500, ({ problem }: { problem: string }) => `the backup is not complete: ${problem}`),
  BACKUP_UNREADABLE: kind(
    400,
    ({ directory, problem }: { directory: string; problem: string }) => `${directory} cannot be restored: ${problem}`,
  ),
  RESTORE_INCOMPLETE: kind(
    409,
    ({ directory }: { directory: string }) =>
      `a restore into ${directory} was not completed: remove the directory, and restore it again`,
  ),
  SERVER_NEEDED: kind(
    409,
    ({ command }: { command: string }) => `"sluice ${command}" needs a running server, and none runs on this data directory`,
  ),
  PUSH_FAILED: kind(502, ({ problem }: { problem: string }) => problem),
  SERVER_UNREACHABLE: kind(502, ({ problem }: { problem: string }) => `the running server does not answer: ${problem}`),
} as const

export type ErrorName = keyof typeof errorKinds
type DetailsOf<Name extends ErrorName> = Parameters<(typeof errorKinds)[Name]['message']>[0]

/** A failure with a code of the table above. `details` are the facts of the sentence, for logs and JSON answers. */
export class SluiceError extends Error {
  readonly code: ErrorName
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorName, message: string, details: Record<string, unknown>, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SluiceError'
    this.code = code
    this.details = details
  }

  get status(): number {
    return errorKinds[this.code].status
  }
}

/** Makes the error `code` of the table; `cause` is what the system said, if anything did. */
export function sluiceError<Name extends ErrorName>(code: Name, details: DetailsOf<Name>, cause?: unknown): SluiceError {
  const message = (errorKinds[code].message as (details: DetailsOf<Name>) => string)(details)
  return new SluiceError(code, message, details, cause)
}

/** True if `error` is a system error with this code, such as `ENOENT`. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code
}
