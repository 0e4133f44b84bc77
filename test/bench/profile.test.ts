import assert from 'node:assert/strict'
import { partOf, PARTS, readStacks, sharesOf, type Part } from '../../bench/profile/stacks.ts'

const NODE = '/usr/bin/node'
const KERNEL = '[kernel.kallsyms]'
const JIT = '/tmp/perf-4711.map'
const stream = 'JS:*onStreamRead node:internal/stream_base_commons:166:22'
const flush = 'JS:*#flush file:///srv/sluice/dist/src/kafka/connection.js:336:11'

const print = (frames: [symbol: string, object: string][]): string =>
  `${frames.map(([symbol, object]) => `\t    7f52a10c ${symbol} (${object})\n`).join('')}\n`

const stacks: [part: Part, frames: [symbol: string, object: string][]][] = [
  [
    'sockets: send',
    [
      ['tcp_ack', KERNEL],
      ['tcp_sendmsg_locked', KERNEL],
      ['uv__try_write', NODE],
      [flush, JIT],
    ],
  ],
  [
    'sockets: receive',
    [
      ['_copy_to_iter', KERNEL],
      ['tcp_recvmsg_locked', KERNEL],
      ['uv__read', NODE],
    ],
  ],
  [
    'disk',
    [
      ['ext4_block_write_begin', KERNEL],
      ['do_pwritev', KERNEL],
    ],
  ],
  [
    'system, else',
    [
      ['futex_wake', KERNEL],
      ['do_syscall_64', KERNEL],
    ],
  ],
  ['TLS', [['ossl_aes_gcm_decrypt_avx512', NODE]]],
  [
    'TLS',
    [
      ['SSL_read', NODE],
      ['node::crypto::TLSWrap::ClearOut', NODE],
    ],
  ],
  [
    'checksum',
    [
      ['[unknown]', '/srv/sluice/node_modules/@node-rs/crc32-linux-x64-gnu/crc32.linux-x64-gnu.node'],
      [flush, JIT],
    ],
  ],
  ['copies', [['__memmove_avx512_unaligned_erms', '/usr/lib/libc.so.6']]],
  [
    'memory',
    [
      ['_int_malloc', '/usr/lib/libc.so.6'],
      [flush, JIT],
    ],
  ],
  [
    'garbage',
    [
      ['v8::internal::Scavenger::ScavengePage', NODE],
      [flush, JIT],
    ],
  ],
  ['Node', [['node::StreamBase::CallJSOnreadMethod', NODE]]],
  [
    'Node',
    [
      [stream, JIT],
      ['Builtins_JSEntry', NODE],
      [flush, JIT],
    ],
  ],
  ['Node', [['Builtins_RunMicrotasks', NODE]]],
  [
    'own code',
    [
      [flush, JIT],
      [stream, JIT],
    ],
  ],
  [
    'own code',
    [
      ['Builtins_FindOrderedHashMapEntry', NODE],
      [flush, JIT],
      [stream, JIT],
    ],
  ],
]

describe('a profile', () => {
  for (const [part, frames] of stacks)
    it(`counts ${frames[0]![0]} as ${part}`, () => {
      const [stack] = [...readStacks(print(frames))]
      assert.deepEqual(
        stack,
        frames.map(([symbol, object]) => ({ symbol, object })),
      )
      assert.equal(partOf(stack!), part)
    })

  it('gives each part its share of the samples', () => {
    const shares = sharesOf(stacks.map(([, frames]) => print(frames)).join(''))
    assert.equal(shares['TLS'], 2 / stacks.length)
    assert.equal(shares['disk'], 1 / stacks.length)
    assert.ok(Math.abs(PARTS.reduce((sum, part) => sum + shares[part], 0) - 1) < 1e-9)
  })

  it('of nothing is nothing', () => {
    assert.ok(PARTS.every(part => sharesOf('')[part] === 0))
  })
})
