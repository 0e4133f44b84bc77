/**
 * `sluice doctor`: looks at what a server needs, and says of each thing whether it is in order and what to do if not.
 */
import { Command } from 'commander'
import { SluiceError } from '../base/errors.ts'
import type { Config } from '../config/schema.ts'
import { checkCatalog, checkClock, checkDirectory, checkFileSystem, checkJournal, checkRoom, checkSyncs } from './doctor-data.ts'
import { checkCertificates, checkServer } from './doctor-network.ts'
import { checkClickHouse, checkNode } from './doctor-programs.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

/** What a look at one thing has found. */
export interface Finding {
  verdict: 'ok' | 'warning' | 'problem'
  says: string
  /** What to do. */
  advice?: string
  /** Lines that show more. */
  details?: string[]
}

export type Check = (config: Config) => AsyncIterable<Finding> | Iterable<Finding>

/** In the order in which they are made; the name is the first word of a line. */
const checks: Record<string, Check> = {
  node: checkNode,
  directory: checkDirectory,
  room: checkRoom,
  'file system': checkFileSystem,
  sync: checkSyncs,
  catalog: checkCatalog,
  journal: checkJournal,
  clock: checkClock,
  certificate: checkCertificates,
  server: checkServer,
  clickhouse: checkClickHouse,
}

export function doctorCommand(): Command {
  return addPlaceOptions(new Command('doctor'))
    .description('check what a server needs: disk, ports, certificates, clock …; fails if there is a problem')
    .option('--json', 'print an object per line')
    .addHelpText(
      'after',
      `
Works beside a running server and without one. It writes 800 KB to the data directory and removes them, to see how fast the disk
is. A warning may be meant so; with a problem a server does not work.`,
    )
    .action(async ({ json = false, ...place }: PlaceOptions & { json?: boolean }) => {
      for await (const { check, ...finding } of diagnose(configOf(place))) {
        if (finding.verdict === 'problem') process.exitCode = 1
        if (json) console.log(JSON.stringify({ check, ...finding }))
        else for (const line of formatFinding(check, finding)) console.log(line)
      }
    })
}

/** Makes all checks, or those that are named. One that cannot be made is a problem too. */
export async function* diagnose(
  config: Config,
  names: readonly string[] = Object.keys(checks),
): AsyncGenerator<Finding & { check: string }, void> {
  for (const check of names) {
    try {
      for await (const finding of checks[check]!(config)) yield { check, ...finding }
    } catch (error) {
      if (!(error instanceof SluiceError) && !(error instanceof Error && 'syscall' in error)) throw error
      yield { check, verdict: 'problem', says: error.message }
    }
  }
}

const CHECK_CHARACTERS = Math.max(...Object.keys(checks).map(({ length }) => length))

function* formatFinding(check: string, { verdict, says, advice, details = [] }: Finding): Generator<string> {
  const indent = ' '.repeat('problem  '.length + CHECK_CHARACTERS + 2)
  yield `${verdict.padEnd('problem  '.length)}${check.padEnd(CHECK_CHARACTERS)}  ${says}`
  for (const line of details) yield `${indent}${line}`
  if (advice !== undefined) yield `${indent}→ ${advice}`
}
