/** What must stay true of the source itself. The tests run from the compiled tree; what they read is beside it. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const MAX_LINES = 400

/** By folder; `sluice.ts` stands for itself. */
const layers: Readonly<Record<string, number>> = {
  protocol: 0,
  certs: 0,
  'src/base': 1,
  'src/agents': 2,
  'src/config': 2,
  'src/decoding': 2,
  'src/push': 2,
  'src/catalog': 3,
  'src/journal': 4,
  'src/store': 4,
  'src/ingest': 5,
  'src/indexing': 5,
  'src/query': 5,
  'src/kafka': 6,
  'src/http': 6,
  'src/sluice.ts': 7,
  'src/cli': 8,
}

interface SourceFile {
  /** Relative to the root, with slashes. */
  path: string
  text: string
  /** Without comments. */
  code: string
  imports: string[]
}

const files: SourceFile[] = ['protocol', 'certs', 'src'].flatMap(folder =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => {
      const path = join(folder, name).split(sep).join('/')
      const text = readFileSync(join(root, path), 'utf8')
      const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
      const imports = [...code.matchAll(/\b(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, specifier]) => specifier!)
      return { path, text, code, imports }
    }),
)

function layerOf(path: string): string {
  const [first, second] = path.split('/')
  return first === 'src' ? `${first}/${second}` : first!
}

/** The files that a file imports, relative to the root. */
function localImports({ path, imports }: SourceFile): string[] {
  return imports
    .filter(specifier => specifier.startsWith('.'))
    .map(specifier =>
      relative(root, resolve(root, dirname(path), specifier))
        .split(sep)
        .join('/'),
    )
}

function filesWith(pattern: RegExp, among: readonly SourceFile[] = files): string[] {
  return among.filter(({ code }) => pattern.test(code)).map(({ path }) => path)
}

describe('the source', () => {
  it('is found', () => {
    assert(files.length > 50)
    assert(files.some(file => localImports(file).length > 0))
  })

  it('imports in each folder only from folders of lower layers', () => {
    const violations: string[] = []
    for (const file of files) {
      const folder = layerOf(file.path)
      assert(folder in layers, `${file.path} is in no layer`)
      for (const imported of localImports(file)) {
        const other = layerOf(imported)
        if (other !== folder && !(layers[other]! < layers[folder]!)) violations.push(`${file.path} imports ${imported}`)
      }
    }
    assert.deepEqual(violations, [])
  })

  it('names local files with their ending .ts', () => {
    const wrong = files.flatMap(({ path, imports }) =>
      imports.filter(name => name.startsWith('.') && !name.endsWith('.ts')).map(name => `${path}: ${name}`),
    )
    assert.deepEqual(wrong, [])
  })

  it('reaches ClickHouse in src/store only', () => {
    const users = files.filter(({ imports }) => imports.some(name => name.startsWith('@clickhouse/') || name.startsWith('chdb')))
    assert(users.length > 0)
    assert.deepEqual(
      users.map(({ path }) => path).filter(path => !path.startsWith('src/store/')),
      [],
    )
  })

  it('prints in src/cli only', () => {
    assert.deepEqual(
      filesWith(/\bconsole\./).filter(path => !path.startsWith('src/cli/')),
      [],
    )
  })

  it('has no `any` but where the linter is told why', () => {
    const users = files.filter(({ text }) =>
      text.split('\n').some((line, index, lines) => {
        const isType = /(?:[:<,|]\s*any\b|\bas any\b|\bany\[\])/.test(line) && !/^\s*(?:\*|\/\/|\/\*)/.test(line)
        return isType && !lines[index - 1]?.includes('eslint-disable-next-line @typescript-eslint/no-explicit-any')
      }),
    )
    assert.deepEqual(
      users.map(({ path }) => path),
      [],
    )
  })

  it('leaves nothing to do later', () => {
    const unfinished = files.filter(({ text }) => /\b(?:TODO|FIXME|XXX)\b/.test(text))
    assert.deepEqual(
      unfinished.map(({ path }) => path),
      [],
    )
  })

  it(`has no file above ${MAX_LINES} lines`, () => {
    const long = files.filter(({ text }) => text.split('\n').length > MAX_LINES + 1)
    assert.deepEqual(
      long.map(({ path }) => path),
      [],
    )
  })
})
