/**
 * `sluice serve`: the server, until it is told to stop.
 */
import { setFlagsFromString } from 'node:v8'
import { Command } from 'commander'
import { createLog } from '../base/log.ts'
import { startSluice } from '../sluice.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

export function serveCommand(): Command {
  return addPlaceOptions(new Command('serve'))
    .description('run the server: take logs over the Kafka protocol, index them, answer queries')
    .action(async (place: PlaceOptions) => {
      letHeapGrow()
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

const FIRST_V8_WITH_ONE_LIMIT = 13

/**
 * Lets the heap grow to four times what lives in it before V8 looks through all of it. The bytes of requests count as part of a heap that is
 * small beside them, so that it would be looked through for every 30 MB that come in: a third of all CPU at full load.
 */
function letHeapGrow(): void {
  setFlagsFromString('--heap-growing-percent=300')
  // Of Node 24 on those bytes have a limit of their own as well, of 64 MB, unless this is set. Older ones would say that they do not know it.
  if (Number.parseInt(process.versions.v8) >= FIRST_V8_WITH_ONE_LIMIT)
    setFlagsFromString('--external-memory-accounted-in-global-limit')
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
