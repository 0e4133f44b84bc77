/**
 * The embedded engine, started again and again if need be: without it nothing can be searched, but logs are still taken, so a start
 * that fails must not end the server. Once it has run, `Engine` restarts it by itself.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { sluiceError } from '../base/errors.ts'
import { Engine, type EngineOptions } from './engine.ts'

/** ClickHouse, whoever runs it. */
export interface KeptClickHouse {
  /** Resolves when `onConnection` was told where it answers; rejects if that cannot be, or if it was closed before. */
  ready(): Promise<void>
  /** What is wrong with it, or undefined. */
  problem(): string | undefined
  close(): Promise<void>
}

/** Where nothing is to be stored. */
export const noClickHouse: KeptClickHouse = {
  ready: () =>
    Promise.reject(sluiceError('STORE_UNAVAILABLE', { problem: 'it is not used, logs are thrown away (store.discard)' })),
  problem: () => undefined,
  close: () => Promise.resolve(),
}

const RETRY_MS = 10_000

/** Begins to start the engine; returns at once. */
export function keepEngine(options: EngineOptions): KeptClickHouse {
  const aborted = new AbortController()
  let engine = new Engine(options)
  let problem: string | undefined = 'ClickHouse is starting'
  /** The start that is under way, or was last. */
  let attempt: Promise<unknown> = Promise.resolve()

  async function start(): Promise<void> {
    for (;;) {
      try {
        attempt = engine.start()
        await attempt
        problem = undefined
        return
      } catch (error) {
        // It was ended by ourselves.
        aborted.signal.throwIfAborted()
        problem = (error as Error).message
        options.log.error({ problem }, 'ClickHouse could not be started; logs are taken, and can be searched once it runs')
        await delay(RETRY_MS, undefined, { signal: aborted.signal })
        engine = new Engine(options)
      }
    }
  }

  start().catch(() => {})
  return {
    // Whoever waits for a start that fails is told why; what is tried again later may fail again.
    ready: async () => {
      await attempt.catch(() => {})
      if (problem !== undefined) throw sluiceError('STORE_UNAVAILABLE', { problem })
    },
    problem: () => problem ?? (engine.state.name === 'ready' ? undefined : `ClickHouse is ${engine.state.name}`),
    async close() {
      aborted.abort()
      await engine.stop()
    },
  }
}
