import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Random } from '../protocol/random.ts'
import { tryMutation } from './mutate.ts'
import { mutations } from './mutations.ts'
import { VirtualTime } from './virtual-time.ts'
import { simulate } from './world.ts'

const SEEDS = 100
/** They take seconds of one core, and there may be little of it. */
const TIMEOUT_MS = 5 * 60_000
/** Those that cost the least; `npm run test:sim -- --mutations` tries all. */
const NOTICED = ['producers-forgotten', 'recycled-too-early']

describe('a simulation', () => {
  it('finds every promise kept', async () => {
    const totals = { rows: 0, elapsedMs: 0 }
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { failure, last, rows, elapsedMs } = await simulate(seed)
      assert.equal(failure, undefined, `npm run test:sim -- --seed ${seed} --seeds 1\n${last.join('\n')}\n${failure}`)
      totals.rows += rows
      totals.elapsedMs += elapsedMs
    }
    // One that does nothing breaks nothing.
    assert(totals.rows > SEEDS * 20)
    assert(totals.elapsedMs > SEEDS * 1000)
  }).timeout(TIMEOUT_MS)

  it('of the same seed is the same to the last event', async () => {
    for (const seed of [7, 8]) assert.deepEqual(await simulate(seed), await simulate(seed))
    assert.notEqual((await simulate(7)).digest, (await simulate(8)).digest)
  })

  for (const mutation of mutations.filter(({ name }) => NOTICED.includes(name)))
    it(`notices when ${mutation.about}`, () => {
      const verdict = tryMutation(mutation, { first: 1, seeds: SEEDS })
      assert('seed' in verdict, 'problem' in verdict ? verdict.problem : '')
    }).timeout(TIMEOUT_MS)

  it('says that a mutation is stale when the source is another one by now', () => {
    const changes = [{ file: 'src/journal/journal.js', from: 'what never stood there', to: '' }]
    assert.deepEqual(tryMutation({ name: 'stale', about: '', changes }, { first: 1, seeds: 1 }), {
      problem: 'it is stale: what it changes stands 0 times in src/journal/journal.js',
    })
  })
})

describe('virtual time', () => {
  it('reaches what modules have imported by name, and no more once it is uninstalled', async () => {
    const draw = async (): Promise<number> => {
      const time = VirtualTime.install(5000, new Random(1))
      try {
        let isOver = false
        const over = delay(60_000).then(() => (isOver = true))
        while (!isOver) assert(await time.step())
        await over
        assert.equal(Date.now(), 65_000)
        assert.equal(await time.step(), false)
        return randomInt(2 ** 32)
      } finally {
        await time.uninstall()
      }
    }
    assert.equal(await draw(), await draw())
    assert(Date.now() > 65_000)
    await delay(1)
  })
})
