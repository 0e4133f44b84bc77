/**
 * The disk of this machine, on which the write of a chosen log fails: the bytes get there, and the system says that they did not.
 *
 * That is the worst of the ways to fail, since what was refused is there to be found, beside its retry.
 */
import { nodeFiles, type Files } from '../../../src/base/files.ts'

export interface DiskFault {
  /** A part of the write that fails. */
  content: string
  /** How many writes fail, that one and those behind it. */
  writes: number
}

export class FailingDisk {
  readonly files: Files
  /** What is still to fail. */
  #faults: DiskFault[] = []
  /** How many of the next writes fail. */
  #failing = 0

  constructor() {
    this.files = {
      ...nodeFiles,
      open: async (path, options) => {
        const file = await nodeFiles.open(path, options)
        // Only the journal's segments are written so; everything else stays whole.
        if (options?.durable !== true) return file
        const write = file.write.bind(file)
        file.write = async (pieces, position) => {
          const isFailing = this.#fails(Buffer.concat(pieces))
          await write(pieces, position)
          if (isFailing)
            throw Object.assign(new Error(`EIO: i/o error, write '${path}'`), { code: 'EIO', syscall: 'write', path })
        }
        return file
      },
    }
  }

  /** Has writes fail, each fault once, and forgets what was before. */
  begin(faults: readonly DiskFault[]): void {
    this.#faults = [...faults]
    this.#failing = 0
  }

  /** How many faults have not come to pass. */
  get missing(): number {
    return this.#faults.length + this.#failing
  }

  #fails(bytes: Buffer): boolean {
    const met = this.#faults.filter(({ content }) => bytes.includes(content))
    this.#faults = this.#faults.filter(fault => !met.includes(fault))
    this.#failing = Math.max(this.#failing, ...met.map(({ writes }) => writes))
    if (this.#failing === 0) return false
    this.#failing--
    return true
  }
}
