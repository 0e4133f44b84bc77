/**
 * The indexer's process: what the acknowledging process starts to bring the journal into the store. It ends when its standard
 * input does.
 */
import { runAsChild } from '../base/child.ts'
import { nodeFiles } from '../base/files.ts'
import { createLog } from '../base/log.ts'
import { Store } from '../store/store.ts'
import { Indexer } from './indexer.ts'
import type { FromIndexer, ToIndexer } from './messages.ts'

/** What is left when the process is told to end may take this long to be stored; the rest is read again at the next start. */
const GRACE_MS = 5000

const log = createLog('indexer', 'info', process.stderr.isTTY)
const store = new Store()
let indexer: Indexer | undefined

const send = runAsChild<ToIndexer, FromIndexer>({
  onMessage(message) {
    switch (message.kind) {
      case 'start': {
        log.level = message.logLevel
        indexer = new Indexer({ ...message, files: nodeFiles, directory: message.journalDirectory, store, log, tell: send })
        void indexer.run().catch(async (error: unknown) => {
          log.fatal({ err: error }, 'the journal cannot be read; what was acknowledged stays in it')
          await indexer?.stop(GRACE_MS)
          send({ kind: 'problem', logstoreId: '', problem: (error as Error).message })
          process.exit(1)
        })
        break
      }
      case 'catalog':
        indexer?.setCatalog(message.logstores, message.deleted)
        break
      case 'store':
        store.connect(message.connection)
        indexer?.setStore(message.connection !== undefined)
        break
      case 'durable':
        indexer?.advance(message.limit)
        break
    }
  },
  onEnd() {
    void Promise.resolve(indexer?.stop(GRACE_MS)).then(() => process.exit(0))
  },
})
