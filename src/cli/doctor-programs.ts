/** Checks of `sluice doctor`: what sluice runs on. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config/schema.ts'
import { findLibraryProblem } from '../store/engine-library.ts'
import { findServer } from '../store/kept-server.ts'
import { Store } from '../store/store.ts'
import type { Finding } from './doctor.ts'

export function* checkNode(): Generator<Finding> {
  const { engines } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    engines: { node: string }
  }
  const [, major = 0, minor = 0] = (/^>=(\d+)\.(\d+)$/.exec(engines.node) ?? []).map(Number)
  const [ownMajor = 0, ownMinor = 0] = process.versions.node.split('.').map(Number)
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor))
    yield { verdict: 'ok', says: `Node ${process.versions.node}` }
  else
    yield {
      verdict: 'problem',
      says: `Node ${process.versions.node} is too old: sluice needs ${major}.${minor}`,
      advice: 'install a newer one from https://nodejs.org',
    }
}

/** The server that is configured, or else the embedded one's library. */
export async function* checkClickHouse(config: Config): AsyncGenerator<Finding> {
  const connection = await findServer(config)
  if (connection === undefined) return yield* checkEngine()
  const store = new Store({ connection })
  const where = `${connection.url}${connection.cluster === undefined ? '' : `, cluster ${connection.cluster}`}`
  try {
    await store.ping()
    yield { verdict: 'ok', says: `ClickHouse answers at ${where}, and knows both users` }
  } catch (error) {
    yield {
      verdict: 'problem',
      says: `${(error as Error).message} (${where})`,
      advice: 'logs are taken meanwhile, as far as the journal has room; docs/store.md says what a server must have',
    }
  } finally {
    await store.close()
  }
}

async function* checkEngine(): AsyncGenerator<Finding> {
  const problem = await findLibraryProblem()
  if (problem === undefined) yield { verdict: 'ok', says: 'the library of the embedded ClickHouse can be loaded' }
  else
    yield {
      verdict: 'problem',
      says: `the library of the embedded ClickHouse cannot be loaded: ${problem}`,
      advice: 'install the packages again; it is made for Linux with glibc and for macOS',
    }
}
