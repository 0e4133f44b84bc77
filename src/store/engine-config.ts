/**
 * The files that the embedded engine is started with: its settings, and its users with what each may do.
 *
 * The values are measured for 400 MB of memory on two cores and are scaled from there. What must stay true: nobody without a
 * password gets in, and the query user reads sluice's views and nothing else, no table, no file, no address, no setting that matters.
 */
import { createHash } from 'node:crypto'
import type { StoreConnection } from './connection.ts'

export type EngineUsers = Omit<StoreConnection, 'url'>

export interface EngineConfigOptions {
  /** What all queries, merges and caches together may use; the process has about 200 MB of its own beside it. */
  memoryBytes: number
  usersFile: string
  logFile: string
}

export function formatEngineConfig({ memoryBytes, usersFile, logFile }: EngineConfigOptions): string {
  const share = (part: number) => Math.floor(memoryBytes * part)
  return formatXml({
    users_config: usersFile,
    // Read by local mode in place of logger.level, which it overwrites. Every mistake in a person's SQL is an error here.
    'log-level': 'error',
    logger: { log: logFile, size: '10M', count: 2 },
    // How long requests that are under way may take after the stop was asked for, in seconds.
    shutdown_wait_unfinished: 2,
    max_server_memory_usage: memoryBytes,
    merges_mutations_memory_usage_soft_limit: share(0.6),
    mark_cache_size: share(0.08),
    primary_index_cache_size: share(0.08),
    text_index_tokens_cache_size: share(0.04),
    text_index_header_cache_size: share(0.04),
    text_index_postings_cache_size: share(0.08),
    background_pool_size: 2,
    background_merges_mutations_concurrency_ratio: 1,
    background_move_pool_size: 1,
    background_fetches_pool_size: 1,
    background_common_pool_size: 1,
    background_schedule_pool_size: 2,
    background_buffer_flush_schedule_pool_size: 1,
    background_message_broker_schedule_pool_size: 1,
    background_distributed_schedule_pool_size: 1,
    merge_tree: {
      // Small steps: a merge of logs with long lines holds this many rows of all columns in memory.
      merge_max_block_size: 2048,
      merge_max_block_size_bytes: 4_000_000,
      // One column at a time, with buffers that grow as they are filled: with the defaults two merges of tables with a hundred columns take
      // all the memory, fail, and begin again without end.
      vertical_merge_algorithm_min_rows_to_activate: 1,
      vertical_merge_algorithm_min_columns_to_activate: 1,
      min_columns_to_activate_adaptive_write_buffer: 1,
      // The pool is small, so the defaults, which want many free places, would stop large merges altogether.
      number_of_free_entries_in_pool_to_lower_max_size_of_merge: 1,
      number_of_free_entries_in_pool_to_execute_mutation: 1,
      number_of_free_entries_in_pool_to_execute_optimize_entire_partition: 1,
    },
    access_control_improvements: {
      select_from_system_db_requires_grant: true,
      select_from_information_schema_requires_grant: true,
      // Without it no setting can be opened to a user with readonly=1.
      settings_constraints_replace_previous: true,
    },
  })
}

export function formatEngineUsers(users: EngineUsers, memoryBytes: number): string {
  return formatXml({
    profiles: {
      default: limits(memoryBytes),
      // The engine logs itself in as this user without a password, and holds its one session as long as it runs. So nobody
      // else ever gets one, and nobody can use the one right it has.
      engine: { max_sessions_for_user: 1 },
      query: {
        ...limits(memoryBytes),
        // Not 2: settings such as format_template_row read any file, and each release brings new ones. What is opened is listed.
        readonly: 1,
        max_execution_time: 60,
        max_concurrent_queries_for_user: 16,
        // As many logs are looked at in one piece; of long ones the default would take all the memory.
        max_block_size: 16_384,
        // Most mistakes show within the first megabyte; until then the answer can still become an error.
        http_response_buffer_size: 1_048_576,
        // Each formatting thread has buffers of 64 MB and more for rows with long lines.
        output_format_parallel_formatting: 0,
        output_format_pretty_row_numbers: 0,
        constraints: {
          // 0 would mean no limit.
          max_execution_time: { changeable_in_readonly: '', min: 0.001, max: 600 },
          max_threads: { changeable_in_readonly: '', max: 2 },
        },
      },
    },
    quotas: { default: '' },
    users: {
      default: {
        password: '',
        networks: { ip: ['127.0.0.1', '::1'] },
        profile: 'engine',
        quota: 'default',
        grants: { query: 'GRANT SYSTEM LISTEN ON *.*' },
      },
      [users.username]: user(users.password, 'default', [
        'GRANT CREATE DATABASE, CREATE TABLE, DROP TABLE, ALTER, SELECT, INSERT ON p_*.*',
        'GRANT CREATE DATABASE, CREATE TABLE, DROP DATABASE, DROP TABLE, SELECT, INSERT ON q_*.*',
        'GRANT TABLE ENGINE ON MergeTree',
        'GRANT KILL QUERY ON *.*',
        'GRANT SELECT ON system.processes',
        'GRANT SELECT ON system.parts',
      ]),
      [users.queryUsername]: user(users.queryPassword, 'query', ['GRANT SELECT ON q_*.*']),
    },
  })
}

function limits(memoryBytes: number): XmlElement {
  return {
    max_threads: 2,
    max_insert_threads: 1,
    max_insert_block_size: 1_000_000,
    input_format_parallel_parsing: 0,
    async_insert: 0,
    // The default wants so much free memory per thread that under a small cap every query silently gets only one.
    max_threads_min_free_memory_per_thread: 16_777_216,
    max_memory_usage: Math.floor(memoryBytes * 0.75),
    max_bytes_before_external_group_by: Math.floor(memoryBytes * 0.3),
    max_bytes_before_external_sort: Math.floor(memoryBytes * 0.3),
  }
}

/** The file holds the password's hash only: whoever reads it, or a backup of it, cannot log in. */
function user(password: string, profile: string, grants: string[]): XmlElement {
  return {
    password_sha256_hex: createHash('sha256').update(password).digest('hex'),
    networks: { ip: '127.0.0.1' },
    profile,
    quota: 'default',
    grants: { query: grants },
  }
}

/** Children by name; an array is several children of one name. */
interface XmlElement {
  [name: string]: XmlElement | string | number | boolean | readonly string[]
}

function formatXml(root: XmlElement): string {
  return `${formatElement('clickhouse', root, '')}\n`
}

function formatElement(name: string, content: XmlElement[string], indent: string): string {
  if (Array.isArray(content)) return content.map(item => formatElement(name, item as string, indent)).join('\n')
  if (typeof content !== 'object') return `${indent}<${name}>${escapeXml(String(content))}</${name}>`
  const children = Object.entries(content).map(([child, value]) =>
    formatElement(child, value as XmlElement[string], `${indent}  `),
  )
  return `${indent}<${name}>\n${children.join('\n')}\n${indent}</${name}>`
}

function escapeXml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
}
