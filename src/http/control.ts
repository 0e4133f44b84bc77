/**
 * The control API: how the command line (and later the console) changes and asks a running sluice. It is served on the control
 * socket of the data directory, which only the user may open who runs the server.
 *
 *     GET    /v1/projects                                          POST { name, region? }
 *     DELETE /v1/projects/P
 *     GET    /v1/projects/P/logstores                              POST { name, mode?, shards?, …settings }
 *     PATCH  /v1/projects/P/logstores/L                            { …settings }: retentionDays?, maxBytes?, format?, masks?, index?
 *     DELETE /v1/projects/P/logstores/L
 *     GET    /v1/projects/P/logstores/L/shards                     POST { add: N } | { split: S } | { merge: [A, B] }
 *     …      /v1/projects/P/logstores/L/fields                     as field-routes.ts says
 *     GET    /v1/projects/P/keys                                   POST { id?, secret?, logstores? }
 *     DELETE /v1/projects/P/keys/K
 *     POST   /v1/projects/P/logstores/L/query                      { sql?, format? }  →  the store's answer, as it comes
 *     POST   /v1/projects/P/logstores/L/export/plan                { sinceMs, untilMs }  →  the pieces of an export, in order
 *     POST   /v1/projects/P/logstores/L/export                     { sinceMs, untilMs, format, piece?, hasHeader? }  →  its bytes
 *     POST   /v1/projects/P/logstores/L/count                      { logs }
 *     GET    /v1/status?project=P&logstore=L                       of all logstores, those of a project, or one
 *     POST   /v1/backup                                            →  a line once everything is held, until the caller goes away
 *     POST   /v1/backup/freeze                                     →  the frozen tables, and how far the journal is to be copied
 *     POST   /v1/backup/release                                    the journal was copied
 *     POST   /v1/dump                                              { project?, source?, seconds, bytes }  →  a line for each file,
 *                                                                  and at the end a summary; ends when the caller goes away
 *     DELETE /v1/dump                                              ends it
 *
 * An error is answered with its status and `{ code, message }`.
 */
import { isIP } from 'node:net'
import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { sluiceError } from '../base/errors.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { FieldCatalog } from '../catalog/field-catalog.ts'
import { indexLevels, logstoreModes, type AccessKey, type Logstore } from '../catalog/model.ts'
import { listShards } from '../catalog/shards.ts'
import { formatNames } from '../decoding/log-format.ts'
import type { Store } from '../store/store.ts'
import { addFieldRoutes } from './field-routes.ts'
import type { Status } from './status.ts'

export interface Administration {
  catalog: Catalog
  /** What is known of the fields of logs. */
  fields: FieldCatalog
  /** The store, once it can be asked; where none runs yet it is started. */
  store: () => Promise<Store>
  /** How far logstores are indexed; absent where no server runs. */
  status?: (logstores: readonly Logstore[]) => Promise<Status>
  /** What records connections; absent where no server runs. */
  wireDump?: WireRecorder
}

/** As `WireDump` does it. */
export interface WireRecorder {
  record(
    options: z.infer<typeof dumpBody> & { onFile: (file: object) => void },
  ): Promise<{ stop(ending: 'stopped'): void; readonly ended: Promise<object> }>
  stop(): Promise<void>
}

const projectBody = z.strictObject({ name: z.string(), region: z.string().optional() })
const settingsBody = z.strictObject({
  retentionDays: z.int().optional(),
  maxBytes: z.int().nullish(),
  format: z
    .strictObject({
      name: z.enum(formatNames),
      pattern: z.string().optional(),
      columns: z.array(z.string()).optional(),
      timeField: z.array(z.string()).optional(),
    })
    .optional(),
  masks: z.array(z.strictObject({ pattern: z.string(), replacement: z.string() })).optional(),
  index: z.enum(indexLevels).optional(),
})
const logstoreBody = settingsBody.extend({
  name: z.string(),
  mode: z.enum(logstoreModes).optional(),
  shards: z.int().optional(),
})
const shardsBody = z.union([
  z.strictObject({ add: z.int() }),
  z.strictObject({ split: z.int() }),
  z.strictObject({ merge: z.tuple([z.int(), z.int()]) }),
])
const keyBody = z.strictObject({
  id: z.string().optional(),
  secret: z.string().optional(),
  logstores: z.array(z.string()).optional(),
})
const dumpBody = z.strictObject({
  project: z.string().optional(),
  source: z
    .string()
    .refine(text => isIP(text) !== 0, 'it must be an IP address')
    .optional(),
  // No longer than a timer can be.
  seconds: z.number().positive().max(2_000_000),
  bytes: z.int().positive(),
})
const rangeBody = z.strictObject({ sinceMs: z.int().nullable(), untilMs: z.int().nullable() })
const exportBody = rangeBody.extend({
  format: z.enum(['ndjson', 'csv', 'parquet']),
  piece: z.strictObject({ fromMs: z.int(), toMs: z.int() }).optional(),
  hasHeader: z.boolean().optional(),
})
const statusQuery = z.strictObject({ project: z.string().optional(), logstore: z.string().optional() })
const queryBody = z.strictObject({ sql: z.string().optional(), format: z.enum(['json', 'table']) })

/** The names of ClickHouse for the ways a query may be answered: for programs, and for people. */
const FORMATS = { json: 'JSONEachRow', table: 'PrettyCompactNoEscapesMonoBlock' }

type Named = { Params: { project: string; name: string } }

export function addControlRoutes(server: FastifyInstance, { catalog, fields, store, status, wireDump }: Administration): void {
  const logstoreOf = ({ project, name }: Named['Params']): Logstore => {
    if (catalog.findProject(project) === undefined) throw sluiceError('PROJECT_NOT_FOUND', { project })
    const logstore = catalog.findLogstore(project, name)
    if (logstore === undefined) throw sluiceError('LOGSTORE_NOT_FOUND', { project, logstore: name })
    return logstore
  }

  server.get('/v1/projects', () => catalog.listProjects())

  server.post('/v1/projects', async request => {
    const { name, region } = parse(projectBody, request.body)
    return catalog.createProject({ name, region })
  })

  server.delete<Named>('/v1/projects/:project', async ({ params }, reply) => {
    await catalog.deleteProject(params.project)
    return reply.code(204).send()
  })

  server.get<Named>('/v1/projects/:project/logstores', ({ params }) => catalog.listLogstores(params.project))

  server.post<Named>('/v1/projects/:project/logstores', async ({ params, body }) => {
    return catalog.createLogstore({ project: params.project, ...parse(logstoreBody, body) })
  })

  server.get<Named>('/v1/projects/:project/logstores/:name', ({ params }) => logstoreOf(params))

  server.patch<Named>('/v1/projects/:project/logstores/:name', ({ params, body }) =>
    catalog.updateLogstore(params.project, params.name, parse(settingsBody, body)),
  )

  server.get<Named>('/v1/projects/:project/logstores/:name/shards', ({ params }) => listShards(logstoreOf(params)))

  server.post<Named>('/v1/projects/:project/logstores/:name/shards', ({ params, body }) =>
    catalog.changeShards(params.project, params.name, parse(shardsBody, body)),
  )

  server.get<Named>('/v1/projects/:project/logstores/:name/count', async ({ params }) => {
    const logstore = logstoreOf(params)
    return { logs: await (await store()).count(logstore) }
  })

  server.delete<Named>('/v1/projects/:project/logstores/:name', async ({ params }, reply) => {
    await catalog.deleteLogstore(params.project, params.name)
    return reply.code(204).send()
  })

  addFieldRoutes(server, { catalog, fields, logstoreOf, parse })

  server.post<Named>('/v1/projects/:project/logstores/:name/query', async ({ params, body }, reply) => {
    const logstore = logstoreOf(params)
    const { sql, format } = parse(queryBody, body)
    const aborted = new AbortController()
    reply.raw.on('close', () => aborted.abort())
    const answer = await (await store()).query({ logstore, sql, format: FORMATS[format], signal: aborted.signal })
    return reply.type(format === 'json' ? 'application/x-ndjson' : 'text/plain; charset=utf-8').send(answer)
  })

  server.post<Named>('/v1/projects/:project/logstores/:name/export/plan', async ({ params, body }) => {
    const logstore = logstoreOf(params)
    return (await store()).planExport(logstore, parse(rangeBody, body))
  })

  server.post<Named>('/v1/projects/:project/logstores/:name/export', async ({ params, body }, reply) => {
    const logstore = logstoreOf(params)
    const { format, piece, hasHeader = false, ...range } = parse(exportBody, body)
    const aborted = new AbortController()
    reply.raw.on('close', () => aborted.abort())
    const answer = await (await store()).openExport(logstore, { range, format, piece, hasHeader, signal: aborted.signal })
    return reply.type('application/octet-stream').send(answer)
  })

  server.get<Named>('/v1/projects/:project/keys', ({ params }) => catalog.listAccessKeys(params.project).map(withoutHash))

  server.post<Named>('/v1/projects/:project/keys', async ({ params, body }) => {
    const { id, secret, logstores } = parse(keyBody, body)
    return catalog.createAccessKey({ project: params.project, id, secret, logstores })
  })

  server.delete<Named>('/v1/projects/:project/keys/:name', async ({ params }, reply) => {
    await catalog.deleteAccessKey(params.project, params.name)
    return reply.code(204).send()
  })

  server.get<{ Querystring: { project?: string; logstore?: string } }>('/v1/status', async ({ query }) => {
    const { project, logstore } = parse(statusQuery, query)
    if (status === undefined) throw sluiceError('SERVER_NEEDED', { command: 'status' })
    if (project !== undefined && logstore !== undefined) return status([logstoreOf({ project, name: logstore })])
    return status(catalog.listLogstores(project))
  })

  const recorder = (): WireRecorder => {
    if (wireDump === undefined) throw sluiceError('SERVER_NEEDED', { command: 'dump' })
    return wireDump
  }

  server.post('/v1/dump', async ({ body }, reply) => {
    const lines = new PassThrough()
    const tell = (line: object): void => void lines.write(`${JSON.stringify(line)}\n`)
    const recording = await recorder().record({ ...parse(dumpBody, body), onFile: tell })
    reply.raw.on('close', () => recording.stop('stopped'))
    // Whoever has gone away in the meantime has no event to come.
    if (reply.raw.destroyed) recording.stop('stopped')
    void recording.ended.then(summary => {
      tell(summary)
      lines.end()
    })
    tell({ recording: true })
    return reply.type('application/x-ndjson').send(lines)
  })

  server.delete('/v1/dump', async (_request, reply) => {
    await recorder().stop()
    return reply.code(204).send()
  })
}

function withoutHash({ secretHash: _, ...accessKey }: AccessKey): Omit<AccessKey, 'secretHash'> {
  return accessKey
}

function parse<Body>(schema: z.ZodType<Body>, body: unknown): Body {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw sluiceError('INVALID_ARGUMENT', {
    problem: parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; '),
  })
}
