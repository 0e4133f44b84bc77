/**
 * The embedded engine, started again and again if need be: without it nothing can be searched, but logs are still taken, so a start
 * that fails must not end the server. Once it has run, `Engine` restarts it by itself.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Engine, type EngineOptions } from './engine.ts'

/** ClickHouse, whoever runs it. */
export interface KeptClickHouse {
  /** Resolves when `onConnection` was told where it answers; rejects if that cannot be, or if it was closed before. */
  ready(): Promise<void>
  /** What is wrong with it, or undefined. */
  problem(): string | undefined
  close(): Promise<void>
}

const RETRY_MS = 10_000

/** Begins to start the engine; returns at once. */
export function keepEngine(options: EngineOptions): KeptClickHouse {
  const aborted = new AbortController()
  let engine = new Engine(options)
  let problem: string | undefined = 'ClickHouse is starting'

  async function start(): Promise<void> {
    for (;;) {
      try {
        await engine.start()
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

  const started = start()
  started.catch(() => {})
  return {
    ready: () => started,
    problem: () => problem ?? (engine.state.name === 'ready' ? undefined : `ClickHouse is ${engine.state.name}`),
    async close() {
      aborted.abort()
      await engine.stop()
    },
  }
}
