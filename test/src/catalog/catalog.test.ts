import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFiles, type Files } from '../../../src/base/files.ts'
import { openCatalog, type Catalog, type LogstoreSettings } from '../../../src/catalog/catalog.ts'

describe('the catalog', () => {
  let directory: string
  let catalog: Catalog

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-catalog-'))
    catalog = await open()
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  function open(files: Files = nodeFiles): Promise<Catalog> {
    return openCatalog({ files, directory, defaults: { region: 'local' } })
  }

  const path = () => join(directory, 'catalog.json')

  /** Everything that can be asked of a catalog with the project `web`. */
  function contentOf(of: Catalog): unknown {
    return {
      projects: of.listProjects(),
      logstores: of.listLogstores(),
      accessKeys: of.listAccessKeys('web'),
      deleted: of.listDeletedLogstores(),
    }
  }

  it('finds what was created, by name and by id, also when it is opened again', async () => {
    const project = await catalog.createProject({ name: 'web', region: 'eu' })
    const logstore = await catalog.createLogstore({ project: 'web', name: 'nginx', shards: 3, retentionDays: 7 })
    await catalog.createAccessKey({ project: 'web', id: 'ID', logstores: ['nginx', 'nginx'] })
    await catalog.createLogstore({ project: 'web', name: 'gone' })
    await catalog.deleteLogstore('web', 'gone')
    for (const opened of [catalog, await open()]) {
      assert.deepEqual(opened.findProject('web'), project)
      assert.deepEqual(opened.findLogstore('web', 'nginx'), logstore)
      assert.deepEqual(opened.findLogstoreById(logstore.id), logstore)
      assert.deepEqual(opened.findAccessKey('web', 'ID')?.logstores, ['nginx'])
      assert.deepEqual(contentOf(opened), contentOf(catalog))
      assert.equal(opened.findProject('other'), undefined)
      assert.equal(opened.findLogstore('web', 'gone'), undefined)
      assert.equal(opened.findLogstore('other', 'nginx'), undefined)
      assert.equal(opened.findAccessKey('other', 'ID'), undefined)
    }
  })

  it('gives what is not said its default', async () => {
    assert.equal((await catalog.createProject({ name: 'web' })).region, 'local')
    const { shards, partitions, retentionDays, fields } = await catalog.createLogstore({ project: 'web', name: 'nginx' })
    assert.deepEqual({ shards, partitions, retentionDays }, { shards: 2, partitions: 2, retentionDays: 30 })
    assert.deepEqual(fields, [
      { path: ['level'], type: 'keyword' },
      { path: ['status'], type: 'integer' },
    ])
    const { accessKeyId, accessKeySecret } = await catalog.createAccessKey({ project: 'web' })
    assert.match(accessKeyId, /^SLK[A-Za-z0-9]{17}$/)
    assert.match(accessKeySecret, /^[A-Za-z0-9]{32}$/)
    assert.equal(catalog.findAccessKey('web', accessKeyId)?.logstores, null)
  })

  it('keeps its file from others and no secret in it', async () => {
    await catalog.createProject({ name: 'web' })
    const { accessKeySecret } = await catalog.createAccessKey({ project: 'web' })
    assert.equal(statSync(path()).mode & 0o777, 0o600)
    assert.ok(!readFileSync(path(), 'utf8').includes(accessKeySecret))
  })

  it('never gives an id again', async () => {
    await catalog.createProject({ name: 'web' })
    const first = await catalog.createLogstore({ project: 'web', name: 'nginx' })
    await catalog.deleteLogstore('web', 'nginx')
    const second = await catalog.createLogstore({ project: 'web', name: 'nginx' })
    assert.notEqual(second.id, first.id)
    assert.equal(catalog.findLogstoreById(first.id), undefined)
    assert.deepEqual(catalog.listDeletedLogstores(), [{ id: first.id, project: 'web', name: 'nginx' }])
  })

  it('lists a deleted logstore until it is told that its table is gone', async () => {
    await catalog.createProject({ name: 'web' })
    const { id } = await catalog.createLogstore({ project: 'web', name: 'nginx' })
    await catalog.deleteLogstore('web', 'nginx')
    await catalog.deleteProject('web')
    assert.deepEqual((await open()).listDeletedLogstores(), [{ id, project: 'web', name: 'nginx' }])
    await catalog.forgetDeletedLogstore(id)
    await catalog.forgetDeletedLogstore(id)
    assert.deepEqual((await open()).listDeletedLogstores(), [])
  })

  it('deletes a project only without logstores, and its access keys with it', async () => {
    await catalog.createProject({ name: 'web' })
    await catalog.createLogstore({ project: 'web', name: 'nginx' })
    await catalog.createAccessKey({ project: 'web', id: 'ID' })
    await assert.rejects(catalog.deleteProject('web'), { code: 'PROJECT_NOT_EMPTY' })
    await catalog.deleteLogstore('web', 'nginx')
    await catalog.deleteProject('web')
    await catalog.createProject({ name: 'web' })
    assert.equal(catalog.findAccessKey('web', 'ID'), undefined)
  })

  it('refuses what exists already and what does not exist', async () => {
    await catalog.createProject({ name: 'web' })
    await catalog.createLogstore({ project: 'web', name: 'nginx' })
    await catalog.createAccessKey({ project: 'web', id: 'ID' })
    await assert.rejects(catalog.createProject({ name: 'web' }), { code: 'PROJECT_EXISTS' })
    await assert.rejects(catalog.createLogstore({ project: 'web', name: 'nginx' }), { code: 'LOGSTORE_EXISTS' })
    await assert.rejects(catalog.createAccessKey({ project: 'web', id: 'ID' }), { code: 'ACCESS_KEY_EXISTS' })
    await assert.rejects(catalog.createLogstore({ project: 'other', name: 'nginx' }), { code: 'PROJECT_NOT_FOUND' })
    await assert.rejects(catalog.createAccessKey({ project: 'other' }), { code: 'PROJECT_NOT_FOUND' })
    await assert.rejects(catalog.deleteProject('other'), { code: 'PROJECT_NOT_FOUND' })
    await assert.rejects(catalog.deleteLogstore('web', 'other'), { code: 'LOGSTORE_NOT_FOUND' })
    await assert.rejects(catalog.deleteAccessKey('web', 'other'), { code: 'ACCESS_KEY_NOT_FOUND' })
    assert.throws(() => catalog.listLogstores('other'), { code: 'PROJECT_NOT_FOUND' })
    assert.throws(() => catalog.listAccessKeys('other'), { code: 'PROJECT_NOT_FOUND' })
  })

  for (const name of ['', 'ab', 'Web', 'web.json', 'web/nginx', '-web', 'web_', 'wéb', 'web\n', 'w'.repeat(64)])
    it(`refuses ${JSON.stringify(name)} as a name`, async () => {
      await catalog.createProject({ name: 'web' })
      await assert.rejects(catalog.createProject({ name }), { code: 'INVALID_NAME' })
      await assert.rejects(catalog.createLogstore({ project: 'web', name }), { code: 'INVALID_NAME' })
      await assert.rejects(catalog.createAccessKey({ project: 'web', logstores: [name] }), { code: 'INVALID_NAME' })
    })

  it('takes names of 3 to 63 characters', async () => {
    for (const name of ['web', '0-9', 'a_b-c', 'w'.repeat(63)]) await catalog.createProject({ name })
    assert.equal(catalog.listProjects().length, 4)
  })

  for (const wrong of [{ shards: 0 }, { shards: 257 }, { shards: 1.5 }, { retentionDays: 0 }, { retentionDays: 3651 }])
    it(`refuses a logstore with ${JSON.stringify(wrong)}`, async () => {
      await catalog.createProject({ name: 'web' })
      await assert.rejects(catalog.createLogstore({ project: 'web', name: 'nginx', ...wrong }), { code: 'INVALID_ARGUMENT' })
    })

  it('refuses a format and masks that cannot be used, says why, and leaves the logstore as it was', async () => {
    await catalog.createProject({ name: 'web' })
    const before = await catalog.createLogstore({ project: 'web', name: 'nginx', masks: [{ pattern: 'a+', replacement: '' }] })
    for (const [settings, message] of [
      [{ format: { name: 'regex' } }, /"regex" needs a pattern/],
      [{ format: { name: 'csv' } }, /"csv" needs the names of its columns/],
      [{ format: { name: 'regex', pattern: '(?P<a>b' } }, /cannot be used: .*missing closing/],
      [{ masks: [{ pattern: '(?=a)', replacement: '' }] }, /the mask "\(\?=a\)" cannot be used/],
    ] as [LogstoreSettings, RegExp][]) {
      await assert.rejects(catalog.updateLogstore('web', 'nginx', settings), { code: 'INVALID_ARGUMENT', message })
      await assert.rejects(catalog.createLogstore({ project: 'web', name: 'other', ...settings }), {
        code: 'INVALID_ARGUMENT',
        message,
      })
    }
    assert.equal(catalog.findLogstore('web', 'nginx'), before)
    assert.equal(catalog.findLogstore('web', 'other'), undefined)
  })

  for (const wrong of [
    { id: 'a#b' },
    { id: '' },
    { id: 'a b' },
    { secret: 'hunter2' },
    { secret: 'geheim\0geheim' },
    { logstores: [] },
  ])
    it(`refuses an access key with ${JSON.stringify(wrong)}, and shows no secret`, async () => {
      await catalog.createProject({ name: 'web' })
      await assert.rejects(catalog.createAccessKey({ project: 'web', ...wrong }), (error: Error & { code: string }) => {
        assert.equal(error.code, 'INVALID_ARGUMENT')
        assert.doesNotMatch(JSON.stringify(error) + error.message, /hunter2|geheim/)
        return true
      })
    })

  it('takes an id and a secret from elsewhere, the secret with a # in it', async () => {
    await catalog.createProject({ name: 'web' })
    const key = { accessKeyId: 'LTAI5tExample/+=', accessKeySecret: 'with#in#it' }
    assert.deepEqual(
      await catalog.createAccessKey({ project: 'web', id: key.accessKeyId, secret: key.accessKeySecret, logstores: null }),
      key,
    )
  })

  it('refuses a region that no host name can carry', async () => {
    await assert.rejects(catalog.createProject({ name: 'web', region: 'EU west' }), { code: 'INVALID_ARGUMENT' })
  })

  it('makes changes one after the other, however many are asked for at once', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `project-${index}`)
    const outcomes = await Promise.allSettled([...names, ...names].map(name => catalog.createProject({ name })))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 20)
    assert.deepEqual(
      (await open()).listProjects().map(({ name }) => name),
      names,
    )
  })

  it('shows a change, and tells of it, only when it is on disk; of a refused one it says nothing', async () => {
    let seen = 0
    let calls = 0
    const stop = catalog.onChange(() => {
      calls += 1
      seen = (JSON.parse(readFileSync(path(), 'utf8')) as { projects: unknown[] }).projects.length
      assert.equal(catalog.listProjects().length, seen)
    })
    const created = catalog.createProject({ name: 'web' })
    assert.equal(catalog.findProject('web'), undefined)
    await created
    assert.equal(seen, 1)
    await assert.rejects(catalog.createProject({ name: 'web' }))
    await catalog.forgetDeletedLogstore('unknown')
    assert.equal(calls, 1)
    stop()
    await catalog.createProject({ name: 'app' })
    assert.equal(calls, 1)
  })

  it('stays as it was when the disk fails, and goes on when the disk does', async () => {
    let broken = false
    const failing: Files = {
      ...nodeFiles,
      rename: (from, to) => (broken ? Promise.reject(new Error('no disk')) : nodeFiles.rename(from, to)),
    }
    catalog = await open(failing)
    await catalog.createProject({ name: 'web' })
    broken = true
    await assert.rejects(catalog.createProject({ name: 'app' }), { code: 'STORAGE_FAILED' })
    assert.equal(catalog.findProject('app'), undefined)
    broken = false
    await catalog.createProject({ name: 'app' })
    assert.equal((await open()).listProjects().length, 2)
  })

  it('keeps an access key the same object while it is the same key', async () => {
    await catalog.createProject({ name: 'web' })
    await catalog.createAccessKey({ project: 'web', id: 'ID' })
    const accessKey = catalog.findAccessKey('web', 'ID')
    await catalog.createLogstore({ project: 'web', name: 'nginx' })
    assert.equal(catalog.findAccessKey('web', 'ID'), accessKey)
    await catalog.deleteAccessKey('web', 'ID')
    assert.equal(catalog.findAccessKey('web', 'ID'), undefined)
    await catalog.createAccessKey({ project: 'web', id: 'ID' })
    assert.notEqual(catalog.findAccessKey('web', 'ID'), accessKey)
  })

  describe('whose file is not as it should be', () => {
    /** Writes a catalog file that holds one project, one logstore and one key, changed by `change`. */
    async function writeChanged(change: (document: Record<string, Record<string, unknown>[]>) => void): Promise<void> {
      await catalog.createProject({ name: 'web' })
      await catalog.createLogstore({ project: 'web', name: 'nginx' })
      await catalog.createAccessKey({ project: 'web', id: 'ID' })
      const document = JSON.parse(readFileSync(path(), 'utf8')) as Record<string, Record<string, unknown>[]>
      change(document)
      writeFileSync(path(), JSON.stringify(document))
    }

    for (const text of ['', '{"format":1,"projects":[', 'null', '[]', '{}', '{"format":1}'])
      it(`does not open ${JSON.stringify(text)}, and leaves it alone`, async () => {
        writeFileSync(path(), text)
        await assert.rejects(open(), { code: 'CATALOG_UNREADABLE' })
        assert.equal(readFileSync(path(), 'utf8'), text)
      })

    it('does not open a newer format', async () => {
      writeFileSync(path(), '{"format":99,"realms":[]}')
      await assert.rejects(open(), { code: 'CATALOG_FORMAT' })
    })

    for (const [what, change, problem] of [
      ['a setting of a newer version', d => (d['logstores']![0]!['tier'] = 'cold'), /logstores\.0: .*"tier"/],
      [
        'a logstore whose shards are all retired',
        d => (d['logstores']![0]!['retiredShards'] = [0, 1]),
        /no shard that takes logs/,
      ],
      ['a hash that is none', d => (d['accessKeys']![0]!['secretHash'] = 'plain'), /accessKeys\.0\.secretHash/],
      ['a logstore without its project', d => (d['logstores']![0]!['project'] = 'app'), /project "app", which it does not hold/],
      ['a project twice', d => d['projects']!.push({ ...d['projects']![0], id: crypto.randomUUID() }), /"web" twice/],
      ['a logstore twice', d => d['logstores']!.push({ ...d['logstores']![0], id: crypto.randomUUID() }), /"web\/nginx" twice/],
      ['an access key twice', d => d['accessKeys']!.push(d['accessKeys']![0]!), /"web\/ID" twice/],
      [
        'a mask that is none',
        d => (d['logstores']![0]!['masks'] = [{ pattern: '(', replacement: '' }]),
        /"web\/nginx": the mask "\("/,
      ],
      ['an id twice', d => d['deletedLogstores']!.push({ id: d['logstores']![0]!['id'], project: 'web', name: 'old' }), / twice/],
    ] as [string, (document: Record<string, Record<string, unknown>[]>) => void, RegExp][])
      it(`does not open one that holds ${what}, and says so`, async () => {
        await writeChanged(change)
        await assert.rejects(open(), (error: Error & { code: string }) => {
          assert.equal(error.code, 'CATALOG_UNREADABLE')
          assert.match(error.message, problem)
          return true
        })
      })
  })
})
