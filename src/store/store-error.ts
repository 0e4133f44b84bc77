/**
 * What ClickHouse or the way to it said, as the errors of sluice's table.
 *
 * The difference matters to the indexer: STORE_UNAVAILABLE is tried again for ever, STORE_REFUSED means that these very rows or
 * this very statement will be refused again.
 */
import { ClickHouseError } from '@clickhouse/client'
import { SluiceError, sluiceError } from '../base/errors.ts'

/** Failures that pass: of the server's load, disk, memory or cluster, not of the statement. Codes of ClickHouse's ErrorCodes.cpp. */
const passingCodes = new Set([
  '74', // CANNOT_READ_FROM_FILE_DESCRIPTOR
  '75', // CANNOT_WRITE_TO_FILE_DESCRIPTOR: the disk may be full
  '76', // CANNOT_OPEN_FILE: too many may be open
  '159', // TIMEOUT_EXCEEDED
  '164', // READONLY
  '173', // CANNOT_ALLOCATE_MEMORY
  '198', // DNS_ERROR
  '201', // QUOTA_EXCEEDED
  '202', // TOO_MANY_SIMULTANEOUS_QUERIES
  '209', // SOCKET_TIMEOUT
  '210', // NETWORK_ERROR
  '225', // NO_ZOOKEEPER
  '236', // ABORTED: the server is shutting down
  '241', // MEMORY_LIMIT_EXCEEDED: merges and other queries count too
  '242', // TABLE_IS_READ_ONLY: a replica that lost its coordination
  '243', // NOT_ENOUGH_SPACE
  '252', // TOO_MANY_PARTS: merges are behind
  '279', // ALL_CONNECTION_TRIES_FAILED: a server of the cluster is away
  '285', // TOO_FEW_LIVE_REPLICAS
  '319', // UNKNOWN_STATUS_OF_INSERT
  '394', // QUERY_WAS_CANCELLED: by the KILL QUERY of a restart
  '439', // CANNOT_SCHEDULE_TASK
  '473', // DEADLOCK_AVOIDED
  '517', // CANNOT_ASSIGN_ALTER: a replica has not heard of an earlier change yet
  '774', // TABLE_IS_PERMANENTLY_READ_ONLY: by a setting
  '999', // KEEPER_EXCEPTION
])

/** NETWORK_ERROR and ALL_CONNECTION_TRIES_FAILED. */
const lostServerCodes = new Set(['210', '279'])

/** Rights and passwords are the operator's to mend; the logs wait. */
const accessCodes = new Set(['192', '193', '194', '497', '516'])

const missingTableTypes = new Set(['UNKNOWN_TABLE', 'UNKNOWN_DATABASE', 'TABLE_IS_DROPPED'])

/** What to do about failures that pass, if they do not pass. */
const advice: Readonly<Record<string, string>> = {
  '164': 'the user must be allowed to write',
  '192': 'check the user and its password',
  '193': 'check the user and its password',
  '194': 'check the user and its password',
  '201': 'raise the quota of the user',
  '241': 'if it lasts, give it more memory',
  '242': 'make the table writable again',
  '243': 'make room on its disk',
  '252': 'its merges are behind: if it lasts, see whether they run, and whether the table was given limits of its own',
  '497': 'grant the user what is missing',
  '774': 'make the table writable again',
  '516': 'check the user and its password',
}

/** The longest sentence taken from ClickHouse: it quotes the whole statement in some. */
const maxProblemCharacters = 500

/** The error of a statement that sluice made. */
export function storeError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  if (!(error instanceof ClickHouseError)) return unavailable(error)
  if (passingCodes.has(error.code) || accessCodes.has(error.code)) {
    const toDo = advice[error.code]
    return sluiceError('STORE_UNAVAILABLE', { problem: problemOf(error) + (toDo === undefined ? '' : `; ${toDo}`) }, error)
  }
  return sluiceError('STORE_REFUSED', { problem: problemOf(error) }, error)
}

/**
 * The error of a statement that a person wrote: whatever ClickHouse answered, the statement is to be changed, unless another server
 * that it takes to answer it is away.
 */
export function queryError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  if (!(error instanceof ClickHouseError)) return unavailable(error)
  const code = lostServerCodes.has(error.code) ? 'STORE_UNAVAILABLE' : 'STORE_REFUSED'
  return sluiceError(code, { problem: problemOf(error) }, error)
}

/** True if the store had not the memory for it: for less it may have. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof SluiceError && error.cause instanceof ClickHouseError && error.cause.code === '241'
}

/** True if ClickHouse said that the table or its database is not there. */
export function isMissingTable(error: unknown): boolean {
  return error instanceof ClickHouseError && missingTableTypes.has(error.type ?? '')
}

/** True if ClickHouse said that the table has not a column that the statement names. */
export function isMissingColumn(error: unknown): boolean {
  return error instanceof ClickHouseError && error.type === 'NO_SUCH_COLUMN_IN_TABLE'
}

function unavailable(error: unknown): SluiceError {
  return sluiceError('STORE_UNAVAILABLE', { problem: error instanceof Error ? connectionProblem(error) : String(error) }, error)
}

function connectionProblem(error: Error): string {
  // A refused connection to a name with several addresses is an AggregateError without a message.
  return error.message || (error as NodeJS.ErrnoException).code || error.name
}

function problemOf(error: ClickHouseError): string {
  // What another server of a cluster said.
  const line = error.message
    .split('\n', 1)[0]!
    .trim()
    .replace(/^Received from \S+ DB::Exception: /, '')
  const sentence = line.length > maxProblemCharacters ? `${line.slice(0, maxProblemCharacters)}…` : line
  return error.type === undefined ? sentence : `${sentence} (${error.type})`
}
