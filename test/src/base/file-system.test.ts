import assert from 'node:assert/strict'
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFileSystem, findFileSystemDoubts, parseMounts } from '../../../src/base/file-system.ts'
import { hasProc, makeDirectory, removeDirectory } from '../../support/server.ts'

const kindsOf = (type: string, options: string[] = ['rw']): string[] =>
  findFileSystemDoubts({ mountPoint: '/data', type, source: 'there', options }).map(({ kind }) => kind)

describe('the file system of a path', () => {
  let directory: string

  before(async () => {
    directory = realpathSync(await makeDirectory())
  })

  after(() => removeDirectory(directory))

  /** A table of mounts: what is mounted where, in this order. */
  function writeTable(mounts: [string, string][]): string {
    const path = join(directory, 'mountinfo')
    const escape = (place: string): string => place.replaceAll(' ', '\\040')
    const lines = mounts.map(
      ([place, type], index) => `${index} 1 8:1 / ${escape(place)} rw,noatime shared:1 - ${type} /dev/x rw`,
    )
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }

  const typeOf = async (path: string, table: string): Promise<string | undefined> => (await findFileSystem(path, table))?.type

  it('is that of the nearest mount point above it, spaces in names included', async () => {
    const table = writeTable([
      ['/', 'ext4'],
      [directory, 'xfs'],
      [join(directory, 'da'), 'tmpfs'],
      [join(directory, 'a b'), 'nfs4'],
    ])
    mkdirSync(join(directory, 'data'))
    mkdirSync(join(directory, 'a b'))
    assert.equal(await typeOf(join(directory, 'data'), table), 'xfs')
    assert.equal(await typeOf(join(directory, 'a b'), table), 'nfs4')
    assert.equal(await typeOf('/', table), 'ext4')
  })

  it('is that of the last one that was mounted at a place', async () => {
    const table = writeTable([
      ['/', 'ext4'],
      [directory, 'xfs'],
      [directory, 'btrfs'],
    ])
    assert.equal(await typeOf(directory, table), 'btrfs')
  })

  it('is found through links, and for a path that is still to be made', async () => {
    const table = writeTable([
      ['/', 'ext4'],
      [join(directory, 'target'), 'nfs'],
    ])
    mkdirSync(join(directory, 'target'))
    symlinkSync(join(directory, 'target'), join(directory, 'link'))
    assert.equal(await typeOf(join(directory, 'link'), table), 'nfs')
    assert.equal(await typeOf(join(directory, 'link', 'not', 'yet'), table), 'nfs')
  })

  it('is not known without a table', async () => {
    assert.equal(await findFileSystem(directory, join(directory, 'none')), undefined)
  })

  it('is known of a real directory', async function () {
    if (!hasProc) this.skip()
    const found = await findFileSystem(directory)
    assert(found !== undefined && found.options.includes('rw'))
    assert(directory.startsWith(found.mountPoint))
  })

  it('has the options of the mount and of the file system', () => {
    const [mount] = parseMounts('36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,barrier=0\n')
    assert.deepEqual(mount, { mountPoint: '/mnt2', type: 'ext3', source: '/dev/root', options: ['rw', 'noatime', 'barrier=0'] })
  })
})

describe('the doubts about a file system', () => {
  it('are those of memory, network, containers and disks without barriers, and none about a disk', () => {
    assert.deepEqual(kindsOf('ext4', ['rw', 'relatime']), [])
    assert.deepEqual(kindsOf('fuseblk'), [])
    for (const type of ['tmpfs', 'ramfs']) assert.deepEqual(kindsOf(type), ['volatile'], type)
    for (const type of ['nfs', 'nfs4', 'cifs', 'smb3', '9p', 'fuse.sshfs']) assert.deepEqual(kindsOf(type), ['network'], type)
    assert.deepEqual(kindsOf('overlay'), ['layer'])
    for (const option of ['nobarrier', 'barrier=0']) assert.deepEqual(kindsOf('ext4', ['rw', option]), ['unordered'], option)
    assert.deepEqual(kindsOf('ext4', ['ro']), ['read-only'])
    assert.deepEqual(kindsOf('nfs', ['ro', 'nobarrier']), ['network', 'unordered', 'read-only'])
  })
})
