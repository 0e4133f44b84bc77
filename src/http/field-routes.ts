/**
 * The part of the control API that is about the fields of logs:
 *
 *     GET    /v1/projects/P/logstores/L/fields                     { fields }: what was seen in logs, and what is a column
 *     POST   /v1/projects/P/logstores/L/fields                     { path, type }
 *     DELETE /v1/projects/P/logstores/L/fields                     { path }
 */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Catalog } from '../catalog/catalog.ts'
import type { FieldCatalog } from '../catalog/field-catalog.ts'
import { distinctValues, typeOf, type FieldStatistics, type KnownField } from '../catalog/field-statistics.ts'
import { keyOfPath } from '../catalog/logstore-fields.ts'
import { fieldTypes, type Logstore } from '../catalog/model.ts'
import { fieldColumn } from '../store/fields.ts'

/** A field as `GET` answers it. */
export interface ListedField {
  path: string[]
  /** Of a column its own; else what the values look like: one of these, or `boolean`, `array`, `null`. */
  type: string
  /** What SQL calls its column; null if it is none, and is to be read from `_document`. */
  column: string | null
  /** In which share of the logs it was lately, 0 to 1; of a sample. */
  share: number
  /** About how many logs have had it. */
  logs: number
  /** About how many different texts it has had; not much more than 1,000 are told apart. Null if it had none. */
  values: number | null
  /** ISO 8601, UTC; null if it was not seen. */
  firstSeen: string | null
  lastSeen: string | null
}

type Named = { Params: { project: string; name: string } }

const path = z.array(z.string())
const addBody = z.strictObject({ path, type: z.enum(fieldTypes) })
const removeBody = z.strictObject({ path })

export interface FieldRoutesOptions {
  catalog: Catalog
  fields: FieldCatalog
  logstoreOf: (params: Named['Params']) => Logstore
  parse: <Body>(schema: z.ZodType<Body>, body: unknown) => Body
}

export function addFieldRoutes(server: FastifyInstance, { catalog, fields, logstoreOf, parse }: FieldRoutesOptions): void {
  const route = '/v1/projects/:project/logstores/:name/fields'

  server.get<Named>(route, async ({ params }) => {
    const logstore = logstoreOf(params)
    return { fields: listFields(logstore, await fields.get(logstore.id)) }
  })

  server.post<Named>(route, ({ params, body }) => catalog.addField(params.project, params.name, parse(addBody, body)))

  server.delete<Named>(route, ({ params, body }) =>
    catalog.removeField(params.project, params.name, parse(removeBody, body).path),
  )
}

/** The columns, also those that no log has had, and after them what else was seen; the most frequent first. */
function listFields({ index, fields }: Logstore, statistics: FieldStatistics): ListedField[] {
  const types = new Map(fields.map(({ path, type }) => [keyOfPath(path), type]))
  const columnOf = (path: readonly string[]): string | null =>
    index !== 'none' && types.has(keyOfPath(path)) ? fieldColumn(path) : null
  const seen = statistics.list().map(({ field, share }) => ({
    path: field.path,
    type: types.get(keyOfPath(field.path)) ?? typeOf(field),
    column: columnOf(field.path),
    share,
    ...describeSeen(field),
  }))
  const seenKeys = new Set(seen.map(({ path }) => keyOfPath(path)))
  const unseen = fields
    .filter(({ path }) => !seenKeys.has(keyOfPath(path)))
    .map(({ path, type }) => {
      const nothing = { share: 0, logs: 0, values: null, firstSeen: null, lastSeen: null }
      return { path, type, column: columnOf(path), ...nothing }
    })
  const all = [...seen, ...unseen]
  return [...all.filter(({ column }) => column !== null), ...all.filter(({ column }) => column === null)]
}

function describeSeen(field: KnownField): Pick<ListedField, 'logs' | 'values' | 'firstSeen' | 'lastSeen'> {
  return {
    logs: field.logs,
    values: field.values === '' ? null : distinctValues(field),
    firstSeen: new Date(field.firstSeenMs).toISOString(),
    lastSeen: new Date(field.lastSeenMs).toISOString(),
  }
}
