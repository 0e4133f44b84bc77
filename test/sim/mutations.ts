/**
 * Bugs that a simulation must find: each is a change to the compiled sources that somebody could make by mistake.
 */

export interface Change {
  /** Below the compiled tree. */
  file: string
  /** What stands there exactly once, as the compiler writes it. */
  from: string
  to: string
}

export interface Mutation {
  name: string
  /** What it does to the promise. */
  about: string
  changes: readonly Change[]
}

export const mutations: readonly Mutation[] = [
  {
    name: 'ack-before-write',
    about: 'a group is acknowledged while it is still being written',
    changes: [
      {
        file: 'src/journal/writer.js',
        from: 'await target.file.write(pieces, target.offset);',
        to: 'void target.file.write(pieces, target.offset).catch(() => {});',
      },
    ],
  },
  {
    name: 'write-not-synced',
    about: 'segments are opened so that a write is not on disk when it resolves',
    changes: [
      {
        file: 'src/journal/segments.js',
        from: 'this.#files.open(this.#nextPath, { durable: this.#syncsWrites })',
        to: 'this.#files.open(this.#nextPath)',
      },
    ],
  },
  {
    name: 'directory-not-synced',
    about: 'a segment is written before its name is on disk',
    changes: [
      {
        file: 'src/journal/segments.js',
        from: 'await this.#files.syncDirectory(this.#directory);\n        }\n        catch (error) {\n            await file.close();',
        to: '}\n        catch (error) {\n            await file.close();',
      },
    ],
  },
  {
    name: 'tail-cut-too-early',
    about: 'a start takes the last whole group for part of the tail',
    changes: [
      {
        file: 'src/journal/recovery.js',
        from: 'end: place === first ? from : place,',
        to: 'end: unsynced.at(-1)?.begin ?? from,',
      },
    ],
  },
  {
    name: 'producers-forgotten',
    about: 'what is known of producers is written down and not read back',
    changes: [{ file: 'src/journal/state.js', from: 'this.producers.restore(saved.producers);', to: '' }],
  },
  {
    name: 'failed-group-passed-over',
    about: 'the groups behind one that failed are written all the same',
    changes: [
      {
        file: 'src/journal/writer.js',
        from: 'const lost = this.#unwritten;',
        to: 'const lost = this.#writing ? [this.#writing] : [];\n        let next = this.#durable.entry;\n        for (const { entries } of this.#waiting) for (const { entry } of entries) entry.number = next++;',
      },
      { file: 'src/journal/writer.js', from: 'this.#waiting = [];\n        this.#unsynced = [];', to: 'this.#unsynced = [];' },
      {
        file: 'src/journal/journal.js',
        from: 'this.#nextEntry = firstLostEntry;',
        to: 'this.#nextEntry = firstLostEntry + this.#writer.waitingEntries;',
      },
    ],
  },
  {
    name: 'recycled-too-early',
    about: 'segments are given up by the newer of the two checkpoints',
    changes: [
      {
        file: 'src/journal/checkpoint.js',
        from: 'return this.#kept.length < 2 ? 0 : this.#kept[0].indexed;',
        to: 'return this.#kept.at(-1)?.indexed ?? 0;',
      },
    ],
  },
  {
    name: 'stale-group-taken',
    about: 'a group of an earlier life of a file is taken for the next one',
    changes: [
      { file: 'src/journal/writer.js', from: 'generation: randomInt(2 ** 32),', to: 'generation: 0,' },
      { file: 'src/journal/format.js', from: 'header.position === position && ', to: '' },
      { file: 'src/journal/reader.js', from: 'header.firstEntry !== place.entry || header.chain !== place.chain', to: 'false' },
    ],
  },
  {
    name: 'insert-repeated-blindly',
    about: 'a block is inserted again without asking whether it is in the table',
    changes: [
      {
        file: 'src/indexing/block-insert.js',
        from: 'piece.begin = this.#firstMissing(piece, stored);',
        to: '',
      },
    ],
  },
  {
    name: 'inserts-left-running',
    about: 'the table is asked what it holds while an earlier insert may still add to it',
    changes: [{ file: 'src/indexing/table-writer.js', from: 'await store.resolveInserts(this.#logstore, nodeId);', to: '' }],
  },
  {
    name: 'refused-passed-over',
    about: 'a log that is refused is left out',
    changes: [
      {
        file: 'src/indexing/block-insert.js',
        from: 'return isRefused ? [{ begin, end, error: failure.message }] : undefined;',
        to: 'return isRefused ? [] : undefined;',
      },
    ],
  },
  {
    name: 'later-half-first',
    about: 'of a block that is divided the later half is stored first',
    changes: [
      {
        file: 'src/indexing/block-insert.js',
        from: 'return [{ begin: middle, end }, { begin, end: middle }];',
        to: 'return [{ begin, end: middle }, { begin: middle, end }];',
      },
    ],
  },
  {
    name: 'indexed-too-far',
    about: 'what was read is reported as stored',
    changes: [
      { file: 'src/indexing/indexer.js', from: 'unsettled !== undefined && unsettled.position < place.position', to: 'false' },
    ],
  },
]
