/**
 * An answer of ClickHouse as a stream: one that fails where ClickHouse says that it failed, and whose query ends with it.
 */
import type { ClickHouseClient, ExecParams } from '@clickhouse/client'
import { addAbortSignal, type Readable } from 'node:stream'
import { createAnswerStream } from './user-query.ts'

export type AnswerOptions = Omit<ExecParams, 'abort_signal' | 'query_id'> & { query_id: string; signal?: AbortSignal | undefined }

/**
 * Runs a statement and resolves with the answer's bytes as they come. The query is ended in ClickHouse when `signal` aborts or the
 * stream is destroyed, which an aborted request alone would not do.
 */
export async function openAnswer(
  client: ClickHouseClient,
  { service }: { service: ClickHouseClient },
  { signal, ...options }: AnswerOptions,
): Promise<Readable> {
  try {
    const { stream, response_headers } = await client.exec({ ...options, ...(signal && { abort_signal: signal }) })
    const answer = createAnswerStream(stream, response_headers['x-clickhouse-exception-tag']?.toString())
    if (signal) addAbortSignal(signal, answer)
    answer.once('close', () => {
      if (!answer.readableEnded) void killQuery(service, options.query_id)
    })
    return answer
  } catch (error) {
    void killQuery(service, options.query_id)
    signal?.throwIfAborted()
    throw error
  }
}

/** The query may have ended, the server may be gone: either way it runs no more, so a failure means nothing. */
async function killQuery(client: ClickHouseClient, queryId: string): Promise<void> {
  await client.command({ query: 'KILL QUERY WHERE query_id = {queryId:String} ASYNC', query_params: { queryId } }).catch(() => {})
}
