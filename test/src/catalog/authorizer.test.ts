import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFiles } from '../../../src/base/files.ts'
import { Authorizer, regionOfHost, type Principal } from '../../../src/catalog/authorizer.ts'
import { openCatalog, type Catalog } from '../../../src/catalog/catalog.ts'

describe('the authorizer', () => {
  let directory: string
  let catalog: Catalog
  let authorizer: Authorizer

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-authorizer-'))
    catalog = await openCatalog({ files: nodeFiles, directory, defaults: { region: 'eu' } })
    authorizer = new Authorizer({ catalog, region: 'eu' })
    await catalog.createProject({ name: 'web' })
    await catalog.createProject({ name: 'far', region: 'us' })
    for (const name of ['nginx', 'apache']) await catalog.createLogstore({ project: 'web', name })
    await catalog.createAccessKey({ project: 'web', id: 'ALL' })
    await catalog.createAccessKey({ project: 'web', id: 'SOME', logstores: ['nginx', 'later'] })
    await catalog.createAccessKey({ project: 'far', id: 'ALL' })
    await catalog.createLogstore({ project: 'far', name: 'nginx' })
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  function principal(project: string, accessKeyId: string | undefined, region?: string): Principal {
    const accessKey = accessKeyId === undefined ? undefined : catalog.findAccessKey(project, accessKeyId)
    assert.equal(accessKey === undefined, accessKeyId === undefined)
    return { project, accessKey, region }
  }

  function refusalOf(who: Principal, topic: string): string | undefined {
    const decision = authorizer.authorize(who, topic)
    return 'refusal' in decision ? decision.refusal : undefined
  }

  it('lets a key write to the logstore that the topic names', () => {
    const logstore = catalog.findLogstore('web', 'nginx')
    for (const id of ['ALL', 'SOME'])
      assert.deepEqual(authorizer.authorize(principal('web', id), 'nginx'), { logstore, variant: undefined })
  })

  it('takes LOGSTORE.json for the logstore, as JSON', () => {
    const logstore = catalog.findLogstore('web', 'nginx')
    for (const id of ['ALL', 'SOME'])
      assert.deepEqual(authorizer.authorize(principal('web', id), 'nginx.json'), { logstore, variant: 'json' })
    assert.equal(refusalOf(principal('web', 'ALL'), 'nginx.json.json'), 'UNKNOWN_LOGSTORE')
    assert.equal(refusalOf(principal('web', 'ALL'), '.json'), 'UNKNOWN_LOGSTORE')
    assert.equal(refusalOf(principal('web', 'ALL'), 'nginx.JSON'), 'UNKNOWN_LOGSTORE')
  })

  it('does not know a project that does not exist, whoever asks', () => {
    assert.equal(refusalOf(principal('other', undefined), 'nginx'), 'UNKNOWN_PROJECT')
    assert.equal(refusalOf(principal('', undefined), 'nginx'), 'UNKNOWN_PROJECT')
  })

  it('does not know a project of another region, unless the host name carries that', () => {
    assert.equal(refusalOf(principal('far', 'ALL'), 'nginx'), 'OTHER_REGION')
    assert.equal(refusalOf(principal('far', undefined), 'nginx'), 'OTHER_REGION')
    assert.equal(refusalOf(principal('far', 'ALL', 'us'), 'nginx'), undefined)
    assert.equal(refusalOf(principal('web', 'ALL', 'us'), 'nginx'), 'OTHER_REGION')
    assert.equal(refusalOf(principal('web', 'ALL', 'eu'), 'nginx'), undefined)
    authorizer = new Authorizer({ catalog, region: 'us' })
    assert.equal(refusalOf(principal('far', 'ALL'), 'nginx'), undefined)
    assert.equal(refusalOf(principal('web', 'ALL'), 'nginx'), 'OTHER_REGION')
  })

  it('refuses whoever has no key, whether there is such a logstore or not', () => {
    for (const topic of ['nginx', 'none']) assert.equal(refusalOf(principal('web', undefined), topic), 'BAD_ACCESS_KEY')
  })

  it('refuses a key from the moment it is deleted, also when one of its id is made again', async () => {
    const who = principal('web', 'ALL')
    assert.equal(refusalOf(who, 'nginx'), undefined)
    await catalog.deleteAccessKey('web', 'ALL')
    assert.equal(refusalOf(who, 'nginx'), 'BAD_ACCESS_KEY')
    await catalog.createAccessKey({ project: 'web', id: 'ALL' })
    assert.equal(refusalOf(who, 'nginx'), 'BAD_ACCESS_KEY')
  })

  it('tells a key of logstores that are missing only where it may write to them', () => {
    assert.equal(refusalOf(principal('web', 'ALL'), 'none'), 'UNKNOWN_LOGSTORE')
    assert.equal(refusalOf(principal('web', 'SOME'), 'later'), 'UNKNOWN_LOGSTORE')
    assert.equal(refusalOf(principal('web', 'SOME'), 'none'), 'NO_RIGHT')
    assert.equal(refusalOf(principal('web', 'SOME'), 'apache'), 'NO_RIGHT')
    assert.equal(refusalOf(principal('web', 'SOME'), 'apache.json'), 'NO_RIGHT')
  })

  it('sees a logstore from the moment it is made, to the moment it is deleted', async () => {
    const who = principal('web', 'SOME')
    await catalog.createLogstore({ project: 'web', name: 'later' })
    assert.equal(refusalOf(who, 'later'), undefined)
    await catalog.deleteLogstore('web', 'later')
    assert.equal(refusalOf(who, 'later'), 'UNKNOWN_LOGSTORE')
  })

  it('lists the logstores that may be written to', () => {
    const namesFor = (who: Principal) => authorizer.listWritable(who).map(({ name }) => name)
    assert.deepEqual(namesFor(principal('web', 'ALL')), ['nginx', 'apache'])
    assert.deepEqual(namesFor(principal('web', 'SOME')), ['nginx'])
    assert.deepEqual(namesFor(principal('web', undefined)), [])
    assert.deepEqual(namesFor(principal('far', 'ALL')), [])
    assert.deepEqual(namesFor(principal('other', undefined)), [])
  })

  for (const [project, id, topic, message] of [
    ['other', undefined, 'nginx', 'project "other" does not exist; "sluice project create other" makes it'],
    ['far', 'ALL', 'nginx', 'project "far" is in region "us", not in "eu": connect to the host name of its own region'],
    [
      'web',
      undefined,
      'nginx',
      'the access key is not one of project "web": the SASL password is ACCESS_KEY_ID#ACCESS_KEY_SECRET of a key that ' +
        '"sluice key list web" shows',
    ],
    [
      'web',
      'SOME',
      'apache',
      'this access key may not write to logstore "apache" of project "web": use a key that names it, or one for all logstores',
    ],
    ['web', 'ALL', 'none', 'logstore "none" does not exist in project "web"; "sluice logstore create web/none" makes it'],
  ] as const)
    it(`says what to do: ${message}`, () => {
      const decision = authorizer.authorize(principal(project, id), topic)
      assert.equal('refusal' in decision && decision.message, message)
    })

  it('says what names may look like where no such thing can be made, in a message that does not grow with the name', () => {
    const decision = authorizer.authorize(principal('web', 'ALL'), 'My.Topic\n'.repeat(1000))
    assert.match(
      'refusal' in decision ? decision.message : '',
      /^"My\.Topic\\nMy.{0,90}…" is not a name for a logstore: use 3 to 63 .*$/,
    )
  })
})

describe('the region of a host name', () => {
  for (const [host, region] of [
    ['web.eu.example.com', 'eu'],
    ['web.eu-intranet.example.com', 'eu'],
    ['web.us-west-1.logs.example.com', 'us-west-1'],
    ['WEB.EU.example.com', 'eu'],
    ['web.eu.internal', 'eu'],
    ['web.eu', undefined],
    ['web.eu.', undefined],
    ['web', undefined],
    ['app.eu.example.com', undefined],
    ['localhost', undefined],
    ['web.-intranet.example.com', undefined],
    ['web..example.com', undefined],
    [undefined, undefined],
  ] as const)
    it(`is ${region} in ${host} for project web`, () => assert.equal(regionOfHost(host, 'web'), region))
})
