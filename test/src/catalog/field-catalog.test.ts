import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFiles } from '../../../src/base/files.ts'
import { silentLog } from '../../../src/base/log.ts'
import { openCatalog, type Catalog } from '../../../src/catalog/catalog.ts'
import { FieldCatalog } from '../../../src/catalog/field-catalog.ts'
import type { FieldReport } from '../../../src/catalog/field-statistics.ts'
import type { Logstore } from '../../../src/catalog/model.ts'

describe('the catalog of fields', () => {
  let directory: string
  let catalog: Catalog
  let fields: FieldCatalog
  let logstore: Logstore

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-fields-'))
    catalog = await openCatalog({ files: nodeFiles, directory, defaults: { region: 'local' } })
    await catalog.createProject({ name: 'web' })
    logstore = await catalog.createLogstore({ project: 'web', name: 'nginx' })
    fields = open()
  })

  afterEach(async () => {
    await fields.close()
    rmSync(directory, { recursive: true })
  })

  const open = (): FieldCatalog =>
    new FieldCatalog({ files: nodeFiles, directory: join(directory, 'fields'), catalog, log: silentLog })
  const file = (id = logstore.id): string => join(directory, 'fields', `${id}.json`)

  /** A report of logs which all have these whole numbers. */
  function makeReport(names: string[], { logstoreId = logstore.id, samples = 100 } = {}): FieldReport {
    const none = { strings: 0, numbers: 0, booleans: 0, arrays: 0, nulls: 0, values: '' }
    return { logstoreId, logs: samples, samples, fields: names.map(name => ({ path: [name], ...none, integers: samples })) }
  }

  const columns = (): string[] => catalog.findLogstoreById(logstore.id)!.fields.map(({ path }) => path.join('.'))

  it('gives a logstore the columns that are worth it, in one change, and no more for a while', async () => {
    let changes = 0
    catalog.onChange(() => changes++)
    await fields.take(makeReport(['a', 'b']))
    assert.deepEqual(columns(), ['level', 'status', 'a', 'b'])
    await fields.take(makeReport(['c']))
    assert.equal(changes, 1)
    assert.deepEqual(columns(), ['level', 'status', 'a', 'b'])
    const known = (await fields.get(logstore.id)).list().map(({ field }) => field.path[0])
    assert.deepEqual(known, ['a', 'b', 'c'])
  })

  it('gives none back that was removed, and none at level `none`', async () => {
    await catalog.addField('web', 'nginx', { path: ['a'], type: 'text' })
    await catalog.removeField('web', 'nginx', ['a'])
    await fields.take(makeReport(['a', 'b']))
    assert.deepEqual(columns(), ['level', 'status', 'b'])
    const none = await catalog.createLogstore({ project: 'web', name: 'none', index: 'none' })
    await fields.take(makeReport(['a'], { logstoreId: none.id }))
    assert.equal(catalog.findLogstoreById(none.id)!.fields.length, 2)
    assert.equal((await fields.get(none.id)).list().length, 1)
  })

  it('knows after a restart what it knew', async () => {
    await fields.take(makeReport(['a', 'b'], { samples: 60 }))
    const known = (await fields.get(logstore.id)).list()
    await fields.close()
    fields = open()
    assert.deepEqual((await fields.get(logstore.id)).list(), known)
    assert.deepEqual(columns(), ['level', 'status'])
    await fields.take(makeReport(['a'], { samples: 60 }))
    assert.deepEqual(columns(), ['level', 'status', 'a', 'b'])
  })

  it('begins anew with a file that cannot be read', async () => {
    mkdirSync(join(directory, 'fields'))
    for (const content of ['', '{"format":1,"samples":-1}', '{"format":2}', '[]', '\0']) {
      writeFileSync(file(), content)
      fields = open()
      assert.deepEqual((await fields.get(logstore.id)).list(), [], content)
      await fields.take(makeReport(['a'], { samples: 1 }))
      assert.equal((await fields.get(logstore.id)).list().length, 1)
      await fields.close()
    }
  })

  it('forgets a logstore with its file, and takes no report of one that is deleted', async () => {
    await fields.take(makeReport(['a']))
    await fields.close()
    assert(existsSync(file()))
    await catalog.deleteLogstore('web', 'nginx')
    await fields.forget(logstore.id)
    await fields.take(makeReport(['a']))
    await fields.close()
    assert.deepEqual(readdirSync(join(directory, 'fields')), [])
  })

  it('removes at the start what is of no logstore', async () => {
    await fields.removeStrangers()
    await fields.take(makeReport(['a']))
    await fields.close()
    writeFileSync(file('gone'), '')
    writeFileSync(`${file()}.new`, '')
    await fields.removeStrangers()
    assert.deepEqual(readdirSync(join(directory, 'fields')), [`${logstore.id}.json`])
  })
})

describe('the list of fields in the catalog', () => {
  let directory: string
  let catalog: Catalog

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-fields-'))
    catalog = await openCatalog({ files: nodeFiles, directory, defaults: { region: 'local' } })
    await catalog.createProject({ name: 'web' })
    await catalog.createLogstore({ project: 'web', name: 'nginx' })
  })

  after(() => rmSync(directory, { recursive: true }))

  const fieldsOf = (): Logstore => catalog.findLogstore('web', 'nginx')!

  it('takes any keys up to a length, each path once', async () => {
    const keys = ['a', '', 'é😀', '"\'`\\', 'x'.repeat(256), '\0']
    for (const key of keys) await catalog.addField('web', 'nginx', { path: [key], type: 'text' })
    await catalog.addField('web', 'nginx', { path: Array.from({ length: 32 }, () => 'deep'), type: 'text' })
    assert.deepEqual(
      fieldsOf()
        .fields.slice(2, 8)
        .flatMap(({ path }) => path),
      keys,
    )
    const twice = catalog.addField('web', 'nginx', { path: ['a'], type: 'integer' })
    await assert.rejects(twice, { code: 'FIELD_EXISTS', message: /type text/ })
    for (const path of [[], ['x'.repeat(257)], ['é'.repeat(129)], Array.from({ length: 33 }, () => 'k'), ['\ud800']])
      await assert.rejects(catalog.addField('web', 'nginx', { path, type: 'text' }), { code: 'INVALID_ARGUMENT' })
    const reopened = await openCatalog({ files: nodeFiles, directory, defaults: { region: 'local' } })
    assert.deepEqual(reopened.findLogstore('web', 'nginx'), fieldsOf())
  })

  it('remembers what was removed until it is added by hand', async () => {
    await catalog.removeField('web', 'nginx', ['a'])
    await assert.rejects(catalog.removeField('web', 'nginx', ['a']), { code: 'FIELD_NOT_FOUND' })
    await assert.rejects(catalog.removeField('web', 'nginx', ['a.b', 'c']), { message: /\["a.b","c"\]/ })
    assert.deepEqual(fieldsOf().removedFields, [['a']])
    await catalog.addDiscoveredFields(fieldsOf().id, [{ path: ['a'], type: 'text' }])
    assert(!fieldsOf().fields.some(({ path }) => path[0] === 'a'))
    await catalog.addField('web', 'nginx', { path: ['a'], type: 'integer' })
    assert.deepEqual(fieldsOf().removedFields, [])
    assert.deepEqual(fieldsOf().fields.at(-1), { path: ['a'], type: 'integer' })
  })

  it('has 64 at most, however they come', async () => {
    const many = Array.from({ length: 100 }, (_, number) => ({ path: [`field ${number}`], type: 'integer' as const }))
    await catalog.addDiscoveredFields(fieldsOf().id, many)
    assert.equal(fieldsOf().fields.length, 64)
    const unchanged = fieldsOf()
    await catalog.addDiscoveredFields(unchanged.id, many)
    assert.equal(fieldsOf(), unchanged)
    const another = catalog.addField('web', 'nginx', { path: ['another'], type: 'text' })
    await assert.rejects(another, { code: 'TOO_MANY_FIELDS', message: /remove one first/ })
  })
})
