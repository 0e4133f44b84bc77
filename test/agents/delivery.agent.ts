/**
 * Each agent with what `sluice agent-config` prints: its records are rows as they were put in, and none is lost when the server is
 * killed. `npm run test:agents` runs it.
 */
import assert from 'node:assert/strict'
import { Server } from '../support/server.ts'
import { waitUntilIndexed } from '../support/verifier.ts'
import type { PreparedAgent, RunningAgent } from './agent-under-test.ts'
import { chosen, PREPARE_MS, prepare } from './chosen.ts'
import { configureAgent, idOf, listeners } from './configured.ts'
import { mayLose } from './expected.ts'
import { addDelivery, addSkipped } from './page.ts'
import { findLost, readStock, waitForRecords } from './stock.ts'

/** Before the server is killed, and as many after that. */
const RECORDS = 1000
/** Agents are well again after their own pauses, which grow while the server is away. */
const QUIET_MS = 120_000
/** What some do not send again never comes. */
const LOSING_QUIET_MS = 10_000

describe('delivery', function () {
  // It only bounds how long a failing test takes.
  this.timeout(5 * QUIET_MS)
  let server: Server

  before(async () => {
    server = await Server.start({ settings: { listeners } })
    await server.whenReady()
  })

  after(() => server?.remove())

  for (const agent of chosen.filter(({ isLibrary }) => isLibrary !== true)) {
    const id = idOf(agent)

    describe(id, () => {
      let prepared: PreparedAgent
      let running: RunningAgent | undefined

      before(async function () {
        this.timeout(PREPARE_MS)
        const found = await prepare(agent)
        if (typeof found === 'string') {
          addSkipped(agent, found)
          this.skip()
        }
        prepared = found
        running = await prepared.start(await configureAgent(server, agent.name, id, agent))
      })

      afterEach(function () {
        if (this.currentTest?.isFailed() === true) process.stdout.write(running?.printed ?? '')
      })

      after(() => running?.stop())

      const quietMs = mayLose[agent.name] === undefined ? QUIET_MS : LOSING_QUIET_MS
      const wait = (records: number) => waitForRecords(server, { logstore: id, agent: running!, records, quietMs })

      async function readAll() {
        await waitUntilIndexed(server)
        const stock = await readStock(server, id, running!)
        for (const [n, rows] of stock.byNumber)
          for (const row of rows) {
            assert.equal(row._error, '')
            running!.assertSame(row, n)
          }
        assert.deepEqual(stock.others, [])
        return stock
      }

      it('sends each record once, and each row is what was put in', async () => {
        await running!.put(0, RECORDS)
        await wait(RECORDS)
        const stock = await readAll()
        assert.deepEqual([findLost(stock, RECORDS), stock.twice], [[], 0])
        assert.equal(stock.rows.length, RECORDS)
      })

      it('loses nothing when the server is killed', async () => {
        await running!.put(RECORDS, 1.5 * RECORDS)
        await server.kill()
        await running!.put(1.5 * RECORDS, 2 * RECORDS)
        await server.restart()
        await server.whenReady()
        await wait(2 * RECORDS)
        await running!.stop()
        const stock = await readAll()
        const lost = findLost(stock, 2 * RECORDS)
        if (mayLose[agent.name] === undefined) assert.deepEqual(lost, [])
        const killed = `${lost.length === 0 ? 'nothing' : 'some'} lost, ${stock.twice === 0 ? 'nothing' : 'some'} twice`
        const { name, variant, how } = agent
        const { version } = prepared
        addDelivery({ agent: name, variant, version, how, records: RECORDS, rows: RECORDS, isSame: true, killed })
      })
    })
  }
})
