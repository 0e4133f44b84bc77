import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFiles, replaceFile, type Files, type OpenFile } from '../../../src/base/files.ts'

describe('nodeFiles', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-files-'))
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  async function withFile(name: string, use: (file: OpenFile) => Promise<void>, durable = true): Promise<void> {
    const file = await nodeFiles.open(join(directory, name), { create: true, durable })
    try {
      await use(file)
    } finally {
      await file.close()
    }
  }

  for (const durable of [true, false])
    it(`writes more pieces than one system call takes, in order (durable: ${durable})`, async () => {
      const pieces = Array.from({ length: 5000 }, (_, index) => Buffer.from(`${index},`))
      await withFile('pieces', file => file.write(pieces, 3), durable)
      assert.equal(readFileSync(join(directory, 'pieces')).subarray(3).toString(), Buffer.concat(pieces).toString())
    })

  it('writes nothing when there is nothing to write', async () => {
    await withFile('nothing', async file => {
      await file.write([], 10)
      await file.write([new Uint8Array(0)], 10)
      assert.equal(await file.size(), 0)
    })
  })

  it('leaves the bytes around what it writes as they are', async () => {
    await withFile('around', async file => {
      await file.write([Buffer.from('0123456789')], 0)
      await file.write([Buffer.from('ab'), Buffer.from('c')], 4)
    })
    assert.equal(readFileSync(join(directory, 'around'), 'latin1'), '0123abc789')
  })

  it('reads at a position, and fewer bytes only at the end of the file', async () => {
    await withFile('read', async file => {
      await file.write([Buffer.from('0123456789')], 0)
      const buffer = Buffer.alloc(8, '.')
      assert.equal(await file.read(buffer, 2, 3), 3)
      assert.equal(buffer.toString(), '234.....')
      assert.equal(await file.read(buffer, 7), 3)
      assert.equal(buffer.toString(), '789.....')
      assert.equal(await file.read(buffer, 10), 0)
    })
  })

  it('cuts a file and fills it up with zeros', async () => {
    await withFile('cut', async file => {
      await file.write([Buffer.from('0123')], 0)
      await file.truncate(2)
      assert.equal(await file.size(), 2)
      await file.truncate(4)
      await file.sync()
    })
    assert.equal(readFileSync(join(directory, 'cut'), 'latin1'), '01\0\0')
  })

  it('refuses to write to a file that is opened for reading only', async () => {
    writeFileSync(join(directory, 'kept'), 'kept')
    const file = await nodeFiles.open(join(directory, 'kept'), { readOnly: true })
    await assert.rejects(file.write([Buffer.from('lost')], 0), { code: 'EBADF' })
    await file.close()
  })

  it('opens a missing file only when told to make it, for its owner alone, and keeps the content of one that exists', async () => {
    await assert.rejects(nodeFiles.open(join(directory, 'new')), { code: 'ENOENT' })
    await withFile('new', file => file.write([Buffer.from('content')], 0))
    assert.equal(statSync(join(directory, 'new')).mode & 0o777, 0o600)
    await withFile('new', async file => assert.equal(await file.size(), 7))
  })

  it('says why the disk takes a write only in part', () => {
    // A limit on the length of files stands for a full disk: the first bytes are taken, the others are not.
    const source = `
      const { nodeFiles } = await import(${JSON.stringify(new URL('../../../src/base/files.js', import.meta.url).href)})
      const file = await nodeFiles.open(process.argv[1], { create: true })
      await file.write([Buffer.alloc(1000), Buffer.alloc(1000)], 0).then(
        () => console.log('taken'),
        error => console.log(error.code, error.message),
      )`
    const path = join(directory, 'full')
    const limited = ['-c', 'ulimit -f 1; exec "$0" --input-type=module --eval "$1" "$2"', process.execPath, source, path]
    const said = execFileSync('sh', limited, { encoding: 'utf8' })
    assert.match(said, /^EFBIG .*full'$/m)
  })

  it('makes a directory with its missing parents, and leaves one that exists alone', async () => {
    const inner = join(directory, 'a', 'b', 'c')
    await nodeFiles.makeDirectory(inner, 0o700)
    assert.equal(statSync(inner).mode & 0o777, 0o700)
    await nodeFiles.makeDirectory(inner, 0o755)
    assert.equal(statSync(inner).mode & 0o777, 0o700)
  })

  it('lists names sorted, renames, and removes what may be gone already', async () => {
    for (const name of ['b', 'c', 'a']) writeFileSync(join(directory, name), name)
    await nodeFiles.rename(join(directory, 'a'), join(directory, 'c'))
    assert.deepEqual(await nodeFiles.list(directory), ['b', 'c'])
    assert.equal(readFileSync(join(directory, 'c'), 'latin1'), 'a')
    await nodeFiles.remove(join(directory, 'c'))
    await nodeFiles.remove(join(directory, 'c'))
    await nodeFiles.syncDirectory(directory)
    assert.deepEqual(await nodeFiles.list(directory), ['b'])
  })

  it('reads a missing file as undefined and says of any other failure what it is', async () => {
    assert.equal(await nodeFiles.readFile(join(directory, 'missing')), undefined)
    await assert.rejects(nodeFiles.readFile(directory), { code: 'EISDIR' })
  })
})

describe('replaceFile', () => {
  let directory: string
  let path: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-files-'))
    path = join(directory, 'file')
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  it('replaces a longer content, clears away what a crash left behind, and sets the mode', async () => {
    writeFileSync(path, 'the old content', { mode: 0o644 })
    writeFileSync(`${path}.new`, 'what a crash left behind')
    await replaceFile(nodeFiles, path, Buffer.from('new'))
    assert.equal(readFileSync(path, 'latin1'), 'new')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.deepEqual(await nodeFiles.list(directory), ['file'])
  })

  it('syncs the content before the name and the name before it resolves', async () => {
    const steps: string[] = []
    const recording: Files = {
      ...nodeFiles,
      async open(openPath, options) {
        const file = await nodeFiles.open(openPath, options)
        return {
          write: (pieces, position) => (steps.push('write'), file.write(pieces, position)),
          sync: () => (steps.push('sync'), file.sync()),
          close: () => file.close(),
          read: (buffer, position) => file.read(buffer, position),
          truncate: length => file.truncate(length),
          size: () => file.size(),
        }
      },
      rename: (from, to) => (steps.push('rename'), nodeFiles.rename(from, to)),
      syncDirectory: synced => (steps.push('sync directory'), nodeFiles.syncDirectory(synced)),
    }
    await replaceFile(recording, path, Buffer.from('new'))
    assert.deepEqual(steps, ['write', 'sync', 'rename', 'sync directory'])
  })

  it('keeps the old content when the new one cannot be synced', async () => {
    writeFileSync(path, 'old')
    const failing: Files = {
      ...nodeFiles,
      async open(openPath, options) {
        const file = await nodeFiles.open(openPath, options)
        return {
          write: (pieces, position) => file.write(pieces, position),
          sync: () => Promise.reject(new Error('the disk failed')),
          close: () => file.close(),
          read: (buffer, position) => file.read(buffer, position),
          truncate: length => file.truncate(length),
          size: () => file.size(),
        }
      },
    }
    await assert.rejects(replaceFile(failing, path, Buffer.from('new')), /the disk failed/)
    assert.equal(readFileSync(path, 'latin1'), 'old')
  })
})
