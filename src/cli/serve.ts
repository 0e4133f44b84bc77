/**
 * `sluice serve`: the server, until it is told to stop.
 */
import { Command } from 'commander'
import { tuneGarbageCollection } from '../base/garbage.ts'
import { createLog } from '../base/log.ts'
import { startSluice } from '../sluice.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

export function serveCommand(): Command {
  return addPlaceOptions(new Command('serve'))
    .description('run the server: take logs over the Kafka protocol, index them, answer queries')
    .action(async (place: PlaceOptions) => {
      tuneGarbageCollection()
      const config = configOf(place)
      const log = createLog('serve', config.log.level, process.stderr.isTTY)
      const stopped = stopSignal()
      const sluice = await startSluice(config, log)
      const { listeners, http, ca } = sluice.info
      log.info({ data: config.data, listeners, http, ca }, 'sluice takes logs')
      log.info({ signal: await stopped }, 'sluice is stopping')
      await sluice.close()
      log.info('sluice has stopped')
    })
}

/** Whoever starts a server for others (npm, timeout) passes on what the terminal has sent to all of them: it comes twice. */
const SAME_SIGNAL_MS = 1000

/** Resolves with the first signal that asks to stop; another one, a while later, ends the process where it stands. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let firstMs: number | undefined
    const stop = (signal: NodeJS.Signals): void => {
      if (firstMs !== undefined && performance.now() - firstMs > SAME_SIGNAL_MS) process.exit(130)
      firstMs ??= performance.now()
      resolve(signal)
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
  })
}
