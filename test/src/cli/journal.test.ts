import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { formatItem } from '../../../src/cli/journal-format.ts'
import { inspectJournal } from '../../../src/cli/journal-inspect.ts'
import { inspectDirectory, type Item } from '../../../src/cli/journal-items.ts'
import { verifyData } from '../../../src/cli/journal-verify.ts'
import { LogstoreNames } from '../../../src/cli/logstore-names.ts'
import { formatDuration, formatSize } from '../../../src/cli/output.ts'
import { Progress } from '../../../src/cli/progress.ts'
import type { Repair } from '../../../src/journal/repair.ts'
import type { Verification } from '../../../src/journal/verification.ts'
import { dataFixtures, unpackData, type DataContents } from '../../support/data-fixture.ts'
import { makeDirectory, removeDirectory, runSluice, type Outcome } from '../../support/server.ts'

function parseLines<Line>(text: string): Line[] {
  return text.trimEnd().split('\n').map(line => JSON.parse(line) as Line) // prettier-ignore
}

describe('the commands of the journal', () => {
  let data: string
  let contents: DataContents

  const run = (...args: string[]): Promise<Outcome> => runSluice(['journal', ...args], { directory: data })
  const inspect = async (wanted: Omit<Parameters<typeof inspectJournal>[0], 'data'> = {}): Promise<string> => {
    const lines: string[] = []
    for await (const line of inspectJournal({ data, ...wanted })) lines.push(line)
    return lines.join('\n')
  }
  const verify = async (json = false): Promise<{ text: string; isWhole: boolean }> => {
    const { lines, isWhole } = await verifyData(data, json)
    return { text: [...lines].join('\n'), isWhole }
  }
  const segment = (number: number): string => join(data, 'journal', `${String(number).padStart(16, '0')}.segment`)

  beforeEach(async () => {
    data = await makeDirectory()
    contents = unpackData(dataFixtures.at(-1)!, data)
  })

  afterEach(() => removeDirectory(data))

  function flip(path: string, position: number): void {
    const content = readFileSync(path)
    content[position]! ^= 1
    writeFileSync(path, content)
  }

  it('show segments, checkpoints and producer ids of a data directory', async () => {
    const text = await inspect()
    assert.match(text, new RegExp(`^journal ${contents.journalId}, in .+journal\n`))
    assert.match(text, /^producer ids below 1,000 are given or reserved$/m)
    assert.match(
      text,
      /^segment 1: positions 0 to \d\S+, entries 0 to 7, begun 2026-01-01T00:00:00.000Z, .+; ends at byte .+, where the next begins$/m,
    )
    assert.match(text, /^segment 2: .+, entries 8 to 10, .+; written up to byte .+, where the journal ends$/m)
    assert.equal(text.match(/^checkpoint .+, written .+ ago, at 2.+$/gm)?.length, 2)
    assert.match(text, /^ {2}durable up to entry 9, position .+, in segment 2$/m)
    assert.match(text, /^ {4}web\/nginx: stored up to and with entry 1$/m)
  })

  it('list every entry with where it came from, and its logs if they are asked for', async () => {
    const items = parseLines<Item>(await inspect({ entries: true, json: true }))
    const entries = items.filter(item => item.kind === 'entry')
    assert.deepEqual(
      entries.map(({ number, logstoreId, shard, partition, jsonTopic, baseOffset, recordCount, source, clientId }) => ({
        ...{ number, logstoreId, shard, partition, jsonTopic, baseOffset, recordCount, source, clientId },
      })),
      contents.entries.map(({ receivedMs: _, accessKeyId: __, sha256: ___, ...entry }) => entry),
    )
    assert.deepEqual([entries[2]!.logstore, entries[6]!.logstore], ['web/mysql', 'web/gone'])
    assert(entries.every(({ records }) => records.batches[0]!.checksum === 'good' && records.batches[0]!.records === undefined))

    const text = await inspect({ records: true })
    assert.match(
      text,
      /^entry 2: web\/mysql, shard 0, offsets 0 to 0 \(1 log\), received 2026-01-01T00:00:03.000Z, from 10.0.0.3, client "client-3", key "KEY1", partition 1 of the topic with .json\n {2}format 2, .+ gzip, checksum good, producer 1 epoch 0 sequence 0, .+\n {4}2026-01-01T00:00:00.000Z, key key: \{"a":1\}$/m,
    )
    assert.match(text, /^entry 6: web\/gone \(deleted\), /m)
  })

  it('name logstores by their ids where there is no catalog', async () => {
    rmSync(join(data, 'catalog.json'))
    const text = await inspect({ entries: true })
    assert.match(text, new RegExp(`^entry 8: logstore ${contents.entries[8]!.logstoreId}, shard 1, `, 'm'))
  })

  it('show a segment field by field, and how it ends', async () => {
    const text = await inspect({ file: segment(2) })
    assert.match(text, new RegExp(`^segment ${segment(2)}\n {2}format version 1\n {2}journal ${contents.journalId}\n`))
    assert.match(text, /^ {4}next offsets of web\/nginx: shard 0: 6, shard 1: 3$/m)
    assert.match(
      text,
      /^ {4}producer 2 epoch 5, shop\/orders, partition 0, at .+: sequences 2147483646 to 1 \(shard 0, offset 0\)$/m,
    )
    assert.match(text, /^3 groups with 3 entries and 4 logs\nends at byte .+, before entry 11: behind that nothing was written/m)
    assert.match(await inspect({ file: segment(1) }), /^ends at byte .+, before entry 8, where the next segment begins$/m)
    const groups = parseLines<Item>(await inspect({ file: segment(2), entries: true, json: true })).filter(
      ({ kind }) => kind === 'group',
    )
    assert.deepEqual(
      groups.map(item => item.kind === 'group' && [item.firstEntry, item.entries]),
      [[8, 1], [9, 1], [10, 1]], // prettier-ignore
    )
  })

  it('show a checkpoint field by field', async () => {
    const name = readdirSync(join(data, 'journal')).findLast(found => found.startsWith('checkpoint'))!
    const text = await inspect({ file: join(data, 'journal', name) })
    assert.match(text, new RegExp(`^ {2}version 1, of journal ${contents.journalId}$`, 'm'))
    assert.match(text, /^ {4}next offsets of web\/nginx: shard 0: 6, shard 1: 4$/m)
  })

  it('print no character that a terminal would obey', async () => {
    const names = await LogstoreNames.read(data)
    const [entry] = parseLines<Item>(await inspect({ entries: true, json: true })).filter(({ kind }) => kind === 'entry')
    const printed = [...formatItem({ ...entry, clientId: 'a\u001b[2Jb\u202e\n' } as Item, names)].join('\n')
    assert(printed.includes('client "a\\u001b[2Jb\\u202e\\n"'), printed)
  })

  it('say in one sentence that there is nothing to look at', async () => {
    const nothing: [Promise<unknown>, RegExp][] = [
      [
        inspectDirectory(join(data, 'none'), await LogstoreNames.read(data), { entries: false, records: false }).next(),
        /^there is no journal: .+none does not exist$/,
      ],
      [verifyData(join(data, 'none'), false), /^there is no journal: .+none.journal does not exist$/],
      [inspect({ file: join(data, 'none') }), /none is no file$/],
      [
        inspect({ file: join(data, 'catalog.json') }),
        /catalog.json is no segment and no checkpoint, or it is damaged at its beginning$/,
      ],
    ]
    for (const [outcome, message] of nothing) await assert.rejects(outcome, { code: 'INVALID_ARGUMENT', message })
  })

  it('verify that nothing is damaged', async () => {
    const { text, isWhole } = await verify()
    assert(isWhole)
    assert.match(text, /^read 2 segments with 11 groups, 11 entries, 19 logs, 1.1 MiB; compared 2 checkpoints with them\n/)
    assert.match(text, /\nthe journal ends before entry 11, at byte .+\nnothing is damaged$/)
  })

  it('verify what is damaged, name the logs in it, and say what to do', async () => {
    flip(segment(1), 100_000)
    const { text, isWhole } = await verify()
    assert(!isWhole)
    assert.match(text, new RegExp(`^DAMAGED ${segment(1)}, byte [\\d,]+: entry 4 has a batch whose checksum is wrong\n`, 'm'))
    assert.match(text, /^ {2}entry 4 cannot be read; it can be read again from byte [\d,]+ on$/m)
    assert.match(text, /^ {2}web\/nginx, shard 1: offsets 2 to 2 \(1 log\)$/m)
    assert.match(text, /^What to do: stop the server, .+ restore the named files from a backup of the disk/m)
    const { damages, lostLogs } = JSON.parse((await verify(true)).text) as Verification & { lostLogs: { logstore: string }[] }
    assert.deepEqual([damages.length, damages[0]!.entries, lostLogs[0]!.logstore], [1, { first: 4, next: 5 }, 'web/nginx'])
    assert.match(await inspect({ entries: true }), /^DAMAGED .+: entry 4 has a batch .+\nentry 5: /m)
  })

  it('end with a status that tells whether something is damaged, and draw nothing where there is no terminal', async () => {
    const [whole, inspected] = await Promise.all([run('verify', '--data', data), run('inspect', segment(2), '--records')])
    assert.deepEqual([whole.code, whole.stderr, inspected.code, inspected.stderr], [0, '', 0, ''])
    assert.match(whole.stdout, /\nnothing is damaged\n$/)
    assert.match(inspected.stdout, /\nentry 9: web\/mysql, /)
    flip(segment(1), 100_000)
    const damaged = await run('verify', '--data', data)
    assert.deepEqual([damaged.code, damaged.stderr], [1, ''])
    assert.match(damaged.stdout, /^DAMAGED /m)
  })

  it('repair what is damaged once they may, and say what that costs', async () => {
    const whole = await run('repair', '--data', data)
    assert.deepEqual([whole.code, whole.stdout, whole.stderr], [0, 'nothing is damaged, and nothing was changed\n', ''])
    flip(segment(1), 100_000)
    const before = readdirSync(join(data, 'journal'))
    const unasked = await run('repair', '--data', data)
    assert.equal(unasked.code, 1)
    assert.match(unasked.stdout, /^DAMAGED .+\n {2}entry 4 cannot be read; .+\n\nWhat a repair does:\n/)
    assert.match(unasked.stdout, /^ {2}LOST: entry 4\n {2}LOST: web\/nginx, shard 1: offsets 2 to 2 \(1 log\)$/m)
    assert.equal(unasked.stderr, `sluice: Repair the journal in ${join(data, 'journal')}? Add --yes to agree.\n`)
    assert.deepEqual(readdirSync(join(data, 'journal')), before)

    const repaired = await run('repair', '--data', data, '--yes', '--json')
    assert.equal(repaired.code, 0)
    const [result] = parseLines<Repair & { lostLogs: { logstore: string }[] }>(repaired.stdout)
    const { lost, lostLogs, setAside } = result!
    assert.deepEqual([lost, lostLogs[0]!.logstore, setAside.length], [[{ first: 4, next: 5 }], 'web/nginx', 4])
    assert((await verify()).isWhole)
    assert.equal((await run('repair', '--data', data, '--json')).stdout, '{"isWhole":true}\n')
  })

  it('end in silence when whoever reads the output has seen enough', async () => {
    const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url))
    const child = spawn(process.execPath, [main, 'journal', 'inspect', '--data', data, '--records'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.once('data', () => child.stdout.destroy())
    const [[code], errors] = await Promise.all([once(child, 'close') as Promise<[number]>, text(child.stderr)])
    assert.deepEqual([code, errors], [0, ''])
  })

  it('draw how far reading is on a terminal, and take it away', () => {
    const written: string[] = []
    const progress = new Progress('reading', { isTTY: true, write: text => written.push(text) })
    progress.update(512, 2048)
    progress.update(513, 2048)
    progress.end()
    assert.deepEqual(written, [`\r\x1b[Kreading ████████${'░'.repeat(22)} 512 bytes of 2 KiB`, '\r\x1b[K'])
    const silent = new Progress('reading', { write: text => written.push(text) })
    silent.update(1, 2)
    silent.end()
    assert.equal(written.length, 2)
  })
})

describe('numbers for people', () => {
  it('have few digits and a unit', () => {
    assert.deepEqual([0, 1, 1023, 1024, 1536, 300 * 2 ** 20, 2 ** 31].map(formatSize), [
      '0 bytes',
      '1 bytes',
      '1023 bytes',
      '1 KiB',
      '1.5 KiB',
      '300 MiB',
      '2 GiB',
    ])
    assert.deepEqual([0, 0.02, 0.5, 3.25, 999, 60_000, 600_000, 86_400_000 * 3].map(formatDuration), [
      '0 µs',
      '20 µs',
      '500 µs',
      '3.3 ms',
      '999 ms',
      '60 s',
      '10 min',
      '3 days',
    ])
  })
})
