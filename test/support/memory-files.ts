/**
 * A file system in memory that forgets what nobody made durable: the twin of `nodeFiles` for tests of crashes and failing disks.
 *
 * It is modelled on a page cache over a disk that writes blocks of 4 KiB. Every file has two states, what can be read and what is
 * on disk, both as blocks that are never changed, only replaced; so a crash, or a copy, costs no copying of bytes.
 *
 *     write       what can be read changes at once; a block is on disk when a durable write of it or a `sync` has resolved
 *     name        made, changed or gone at once; on disk when `syncDirectory` has resolved
 *     power cut   of each block that is not on disk the new or the old content is there, whatever the other blocks are; names are
 *                 changed on disk in the order in which they were, so some first part of the changes is there
 *     kill        what can be read stays, and stays not on disk
 *     failure     of a write that was told to fail some blocks reach the disk, and some are forgotten: they can be read, and
 *                 no later `sync` writes them (as Linux does)
 *
 * All chance comes from the one generator that is given, so a run with the same seed is the same run. After a crash nothing of
 * the old life settles any more: whoever waits for it is as dead as the process it stands for.
 */
import { dirname } from 'node:path'
import type { Files, OpenFile, OpenOptions } from '../../src/base/files.ts'

export const BLOCK_BYTES = 4096

/** What the file system needs of a generator of random numbers: an integer from 0 to before `end`. */
export interface Chance {
  below(end: number): number
}

export type OperationKind = keyof Files | Exclude<keyof OpenFile, 'close'>

/** One call, as the interceptor sees it before anything has happened. */
export interface Operation {
  /** Counts from 1 through the life of the file system. */
  readonly number: number
  readonly kind: OperationKind
  /** Of an open file, the name that it has now. */
  readonly path: string
  /** Bytes to be written. */
  readonly length: number
}

/**
 * What is to become of a call. `fail` rejects with this system error, `short` writes a part and rejects, `hang` never settles; of
 * a write, `reached` says which blocks come to be on disk: some of them if absent.
 */
export type Fault =
  | { readonly fail: 'EIO' | 'ENOSPC' | (string & {}); readonly reached?: Reached }
  | { readonly short: number }
  | { readonly hang: true; readonly until?: Promise<unknown>; readonly reached?: Reached }
export type Reached = 'none' | 'some' | 'all'

type Blocks = Map<number, Buffer>

/** A file, whatever its name is. */
class Inode {
  length = 0
  blocks: Blocks = new Map()
  durableLength = 0
  durableBlocks: Blocks = new Map()
  /** Blocks that a failed write or sync has left clean although they are not on disk: a later sync passes them over. */
  forgotten = new Set<number>()

  /** A file in the same state, which shares the blocks. */
  copy(): Inode {
    const copy = new Inode()
    copy.length = this.length
    copy.blocks = new Map(this.blocks)
    copy.durableLength = this.durableLength
    copy.durableBlocks = new Map(this.durableBlocks)
    copy.forgotten = new Set(this.forgotten)
    return copy
  }

  /** The blocks that differ from what is on disk, in order. */
  get dirty(): number[] {
    const indexes = new Set([...this.blocks.keys(), ...this.durableBlocks.keys()])
    return [...indexes].filter(index => this.blocks.get(index) !== this.durableBlocks.get(index)).sort((a, b) => a - b)
  }

  write(bytes: Uint8Array, position: number): number[] {
    const touched: number[] = []
    for (let done = 0; done < bytes.length;) {
      const index = Math.floor((position + done) / BLOCK_BYTES)
      const offset = (position + done) % BLOCK_BYTES
      const part = bytes.subarray(done, done + BLOCK_BYTES - offset)
      const block = Buffer.alloc(BLOCK_BYTES)
      this.blocks.get(index)?.copy(block)
      block.set(part, offset)
      this.blocks.set(index, block)
      this.forgotten.delete(index)
      touched.push(index)
      done += part.length
    }
    this.length = Math.max(this.length, position + bytes.length)
    return touched
  }

  read(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, this.length - position)))
    for (let done = 0; done < bytes.length;) {
      const offset = (position + done) % BLOCK_BYTES
      const part = bytes.subarray(done, done + BLOCK_BYTES - offset)
      this.blocks.get(Math.floor((position + done) / BLOCK_BYTES))?.copy(part, 0, offset)
      done += part.length
    }
    return bytes
  }

  truncate(length: number): void {
    for (const index of this.blocks.keys()) if (index * BLOCK_BYTES >= length) this.blocks.delete(index)
    const last = Math.floor(length / BLOCK_BYTES)
    const block = this.blocks.get(last)
    if (block !== undefined) this.blocks.set(last, Buffer.concat([block.subarray(0, length % BLOCK_BYTES)], BLOCK_BYTES))
    this.length = length
  }

  /** Brings blocks to disk, and as much of the file's length as they need. */
  persist(indexes: readonly number[]): void {
    for (const index of indexes) {
      const block = this.blocks.get(index)
      if (block === undefined) this.durableBlocks.delete(index)
      else {
        this.durableBlocks.set(index, block)
        this.durableLength = Math.max(this.durableLength, Math.min(this.length, (index + 1) * BLOCK_BYTES))
      }
    }
  }

  sync(): void {
    this.persist(this.dirty.filter(index => !this.forgotten.has(index)))
    this.durableLength = this.length
  }

  /** What is there after a power cut. */
  lose(chance: Chance): void {
    const isLengthKept = this.length >= this.durableLength || chance.below(2) === 1
    this.persist(this.dirty.filter(() => chance.below(2) === 1))
    if (isLengthKept && this.length < this.durableLength) this.durableLength = this.length
    this.length = this.durableLength
    this.blocks = new Map([...this.durableBlocks].filter(([index]) => index * BLOCK_BYTES < this.length))
    this.durableBlocks = new Map(this.blocks)
    this.forgotten.clear()
  }
}

/** A change of names that is not on disk yet: one goes, then one is there. */
interface NameChange {
  removed?: string
  added?: { path: string; inode: Inode }
}

export interface MemoryFilesOptions {
  chance: Chance
  /** Asked before every call what is to become of it. */
  intercept?: (operation: Operation) => Fault | undefined
  /** How long a call takes; the default lets everything else run once. */
  latency?: () => Promise<void>
}

export class MemoryFiles implements Files {
  /** Asked before every call what is to become of it. */
  intercept: (operation: Operation) => Fault | undefined
  readonly #chance: Chance
  readonly #latency: () => Promise<void>
  #directories = new Set<string>(['/'])
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  /** What `#names` has that `#durableNames` has not, oldest first. */
  #nameChanges: NameChange[] = []
  #operations = 0
  #openFiles = 0
  #isDead = false

  constructor({ chance, intercept = () => undefined, latency = nextTurn }: MemoryFilesOptions) {
    this.#chance = chance
    this.intercept = intercept
    this.#latency = latency
  }

  /** How many calls there were. */
  get operations(): number {
    return this.#operations
  }

  /** How many files are open. */
  get openFiles(): number {
    return this.#openFiles
  }

  /** The bytes of all files together. */
  get bytes(): number {
    return [...this.#names.values()].reduce((sum, { length }) => sum + length, 0)
  }

  /** The paths of all files, sorted. */
  get paths(): string[] {
    return [...this.#names.keys()].sort()
  }

  /** The power goes: what is there afterwards, as the file system of another life. Nothing of this one settles any more. */
  cutPower(): MemoryFiles {
    const next = this.kill()
    const kept = this.#chance.below(next.#nameChanges.length + 1)
    for (const change of next.#nameChanges.splice(0).slice(0, kept)) applyTo(next.#durableNames, change)
    next.#names = new Map(next.#durableNames)
    for (const inode of new Set(next.#names.values())) inode.lose(this.#chance)
    return next
  }

  /** The process ends: everything can still be read by the next one, and is no more on disk than it was. */
  kill(): MemoryFiles {
    this.#isDead = true
    return this.copy()
  }

  /** A file system in the same state, to see what becomes of it in more ways than one. */
  copy(): MemoryFiles {
    const copy = new MemoryFiles({ chance: this.#chance, latency: this.#latency })
    const copies = new Map<Inode, Inode>()
    const copyOf = (inode: Inode): Inode => {
      if (!copies.has(inode)) copies.set(inode, inode.copy())
      return copies.get(inode)!
    }
    copy.#directories = new Set(this.#directories)
    for (const [path, inode] of this.#names) copy.#names.set(path, copyOf(inode))
    for (const [path, inode] of this.#durableNames) copy.#durableNames.set(path, copyOf(inode))
    copy.#nameChanges = this.#nameChanges.map(({ added, ...change }) =>
      added === undefined ? change : { ...change, added: { path: added.path, inode: copyOf(added.inode) } },
    )
    return copy
  }

  /** The content of a file, without a call. */
  peek(path: string): Buffer {
    const inode = this.#find(path)
    return inode.read(0, inode.length)
  }

  /** Gives a file another content, on disk too: damage, or what somebody else did. Makes the file if it is missing. */
  alter(path: string, change: (content: Buffer) => Buffer): void {
    const inode = new Inode()
    const known = this.#names.get(path)
    inode.write(change(known?.read(0, known.length) ?? Buffer.alloc(0)), 0)
    inode.sync()
    this.#names.set(path, inode)
    this.#durableNames.set(path, inode)
  }

  async open(path: string, options: OpenOptions = {}): Promise<OpenFile> {
    await this.#begin('open', path)
    let inode = this.#names.get(path)
    if (inode === undefined) {
      if (options.create !== true || !this.#directories.has(dirname(path))) throw systemError('ENOENT', 'open', path)
      inode = new Inode()
      this.#changeNames({ added: { path, inode } })
    }
    await this.#end()
    this.#openFiles++
    return this.#openFile(path, inode, options)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#begin('rename', from)
    const inode = this.#names.get(from)
    if (inode === undefined) throw systemError('ENOENT', 'rename', from)
    if (dirname(from) !== dirname(to)) throw systemError('EXDEV', 'rename', from)
    this.#changeNames({ removed: from, added: { path: to, inode } })
    await this.#end()
  }

  async remove(path: string): Promise<void> {
    await this.#begin('remove', path)
    if (this.#names.has(path)) this.#changeNames({ removed: path })
    await this.#end()
  }

  async list(directory: string): Promise<string[]> {
    await this.#begin('list', directory)
    if (!this.#directories.has(directory)) throw systemError('ENOENT', 'scandir', directory)
    const names = this.paths.filter(path => dirname(path) === directory).map(path => path.slice(directory.length + 1))
    await this.#end()
    return names
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#begin('makeDirectory', path)
    for (let directory = path; !this.#directories.has(directory); directory = dirname(directory)) this.#directories.add(directory)
    await this.#end()
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#begin('syncDirectory', path)
    const changes = this.#nameChanges.filter(({ removed, added }) => dirname(added?.path ?? removed ?? '') === path)
    await this.#end()
    for (const change of changes) {
      const index = this.#nameChanges.indexOf(change)
      // Another call may have brought it to disk in between.
      if (index === -1) continue
      this.#nameChanges.splice(index, 1)
      applyTo(this.#durableNames, change)
    }
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    await this.#begin('readFile', path)
    const inode = this.#names.get(path)
    const content = inode?.read(0, inode.length)
    await this.#end()
    return content
  }

  #openFile(path: string, inode: Inode, { durable = false, readOnly = false }: OpenOptions): OpenFile {
    let isOpen = true
    const begin = async (kind: OperationKind, length = 0): Promise<Fault | undefined> => {
      if (!isOpen) throw systemError('EBADF', kind, path)
      return this.#begin(kind, this.#nameOf(inode) ?? path, length)
    }
    return {
      write: async (pieces, position) => {
        if (readOnly) throw systemError('EBADF', 'write', path)
        // What is written is what the pieces hold when the call is made: a later change is not seen.
        const bytes = Buffer.concat(pieces)
        const fault = await begin('write', bytes.length)
        const touched = inode.write(fault !== undefined && 'short' in fault ? bytes.subarray(0, fault.short) : bytes, position)
        if (fault !== undefined) await this.#meet(fault, 'write', path, inode, touched)
        await this.#end()
        if (durable) inode.persist(touched)
      },
      read: async (buffer, position, length = buffer.length) => {
        await begin('read', length)
        const content = inode.read(position, length)
        await this.#end()
        buffer.set(content)
        return content.length
      },
      truncate: async length => {
        await begin('truncate')
        inode.truncate(length)
        await this.#end()
      },
      sync: async () => {
        const fault = await begin('sync')
        if (fault !== undefined) await this.#meet(fault, 'sync', path, inode, inode.dirty)
        await this.#end()
        inode.sync()
      },
      size: async () => {
        await begin('size')
        await this.#end()
        return inode.length
      },
      close: async () => {
        if (!isOpen) throw systemError('EBADF', 'close', path)
        isOpen = false
        this.#openFiles--
        await this.#end()
      },
    }
  }

  /** Counts a call and lets the interceptor have its say. A write or sync learns of its fault; any other call meets it here. */
  async #begin(kind: OperationKind, path: string, length = 0): Promise<Fault | undefined> {
    if (this.#isDead) await never
    const fault = this.intercept({ number: ++this.#operations, kind, path, length })
    if (fault === undefined || kind === 'write' || kind === 'sync') return fault
    await this.#meet(fault, kind, path)
    return undefined
  }

  /** Time passes before a call settles; it never does if a crash came in between. */
  async #end(): Promise<void> {
    await this.#latency()
    if (this.#isDead) await never
  }

  /** Does what a fault says, to the blocks that the call was about. Returns if the call is to go on. */
  async #meet(fault: Fault, kind: OperationKind, path: string, inode?: Inode, touched: readonly number[] = []): Promise<void> {
    const reached = 'reached' in fault ? fault.reached : 'some'
    const kept = touched.filter(() => reached === 'all' || (reached !== 'none' && this.#chance.below(2) === 1))
    inode?.persist(kept)
    if ('hang' in fault) {
      await (fault.until ?? never)
      return
    }
    for (const index of touched) if (!kept.includes(index) && this.#chance.below(2) === 1) inode?.forgotten.add(index)
    await this.#end()
    throw systemError('short' in fault ? 'ENOSPC' : fault.fail, kind, path)
  }

  #changeNames(change: NameChange): void {
    applyTo(this.#names, change)
    this.#nameChanges.push(change)
  }

  #nameOf(inode: Inode): string | undefined {
    for (const [path, named] of this.#names) if (named === inode) return path
    return undefined
  }

  #find(path: string): Inode {
    const inode = this.#names.get(path)
    if (inode === undefined) throw systemError('ENOENT', 'open', path)
    return inode
  }
}

function applyTo(names: Map<string, Inode>, { removed, added }: NameChange): void {
  if (removed !== undefined) names.delete(removed)
  if (added !== undefined) names.set(added.path, added.inode)
}

const never = new Promise<never>(() => {})

function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

function systemError(code: string, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call, path })
}
