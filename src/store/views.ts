/**
 * What people's SQL reads: in the view database of each logstore, `log`.
 *
 *     embedded, or one server     q_PROJECT/LOGSTORE.log    view → the table
 *     cluster, on each server     q_PROJECT/LOGSTORE.log    Distributed → .shard on each shard, a view → the table there
 *
 * The query user has no right to the tables; the views read them with the rights of the service user, who made them. One query user
 * reads for all projects, so each view looks at the id of the query, which no statement can set: it is `userQueryId` of a
 * project, and a view of another project refuses. The id goes along with what a Distributed table asks of other servers.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import { randomUUID } from 'node:crypto'
import type { Logstore } from '../catalog/model.ts'
import { quoteIdentifier, quoteString, quoteTable, viewName, type TableName } from './sql.ts'

/** The name of the view of what one server of a cluster holds. */
const shardViewName = 'shard'

/** A query id under which logstores of this project, and of no other, can be read. "/" is in no project's name. */
export function userQueryId(project: string): string {
  return `${queryIdPrefix(project)}${randomUUID()}`
}

function queryIdPrefix(project: string): string {
  return `sluice-query:${project}/`
}

/** Makes the views on one server, or brings them up to date: they keep the columns that they were made with. */
export async function replaceViews(
  client: ClickHouseClient,
  view: { logstore: Pick<Logstore, 'project'>; name: TableName; columns: string; cluster: string | undefined },
): Promise<void> {
  const { name, columns, cluster } = view
  const { project } = view.logstore
  const run = (query: string) => client.command({ query })
  const database = quoteIdentifier(name.viewDatabase)
  const viewOfTable = cluster === undefined ? viewName : shardViewName
  const refusal = quoteString(`this query may read the logs of its own project only, and these are of ${project}`)
  await run(`CREATE DATABASE IF NOT EXISTS ${database}`)
  // ClickHouse runs the subquery once, before it reads anything.
  await run(
    `CREATE OR REPLACE VIEW ${database}.${viewOfTable} (${columns}) DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT * FROM ${quoteTable(name)}
     WHERE (SELECT throwIf(NOT startsWith(initialQueryID(), ${quoteString(queryIdPrefix(project))}), ${refusal})) = 0`,
  )
  if (cluster === undefined) return
  const engine = `Distributed(${[cluster, name.viewDatabase, viewOfTable].map(quoteString).join(', ')})`
  await run(`CREATE OR REPLACE TABLE ${database}.${viewName} AS ${database}.${viewOfTable} ENGINE = ${engine}`)
}
