/**
 * The control API: how the command line (and later the console) changes and asks a running sluice. It is served on the control
 * socket of the data directory, which only the user may open who runs the server.
 *
 *     GET    /v1/projects                                          POST { name, region? }
 *     DELETE /v1/projects/P
 *     GET    /v1/projects/P/logstores                              POST { name, shards?, retentionDays? }
 *     DELETE /v1/projects/P/logstores/L
 *     GET    /v1/projects/P/keys                                   POST { id?, secret?, logstores? }
 *     DELETE /v1/projects/P/keys/K
 *     POST   /v1/projects/P/logstores/L/query                      { sql?, format? }  →  the store's answer, as it comes
 *     POST   /v1/projects/P/logstores/L/count                      { logs }
 *
 * An error is answered with its status and `{ code, message }`.
 */
import { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { sluiceError } from '../base/errors.ts'
import { type Catalog } from '../catalog/catalog.ts'
import { type AccessKey, type Logstore } from '../catalog/model.ts'
import { type Store } from '../store/store.ts'

export interface Administration {
  catalog: Catalog
  /** The store, once it can be asked; where no engine runs yet it is started. */
  store: () => Promise<Store>
}

const projectBody = z.strictObject({ name: z.string(), region: z.string().optional() })
const logstoreBody = z.strictObject({ name: z.string(), shards: z.int().optional(), retentionDays: z.int().optional() })
const keyBody = z.strictObject({
  id: z.string().optional(),
  secret: z.string().optional(),
  logstores: z.array(z.string()).optional(),
})
const queryBody = z.strictObject({ sql: z.string().optional(), format: z.enum(['json', 'table']) })

/** The names of ClickHouse for the ways a query may be answered: for programs, and for people. */
const FORMATS = { json: 'JSONEachRow', table: 'PrettyCompactNoEscapesMonoBlock' }

type Named = { Params: { project: string; name: string } }

export function addControlRoutes(server: FastifyInstance, { catalog, store }: Administration): void {
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
    const { name, shards, retentionDays } = parse(logstoreBody, body)
    return catalog.createLogstore({ project: params.project, name, shards, retentionDays })
  })

  server.get<Named>('/v1/projects/:project/logstores/:name/count', async ({ params }) => {
    const logstore = logstoreOf(params)
    return { logs: await (await store()).count(logstore) }
  })

  server.delete<Named>('/v1/projects/:project/logstores/:name', async ({ params }, reply) => {
    await catalog.deleteLogstore(params.project, params.name)
    return reply.code(204).send()
  })

  server.post<Named>('/v1/projects/:project/logstores/:name/query', async ({ params, body }, reply) => {
    const logstore = logstoreOf(params)
    const { sql, format } = parse(queryBody, body)
    const aborted = new AbortController()
    reply.raw.on('close', () => aborted.abort())
    const answer = await (await store()).query({ logstore, sql, format: FORMATS[format], signal: aborted.signal })
    return reply.type(format === 'json' ? 'application/x-ndjson' : 'text/plain; charset=utf-8').send(answer)
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
