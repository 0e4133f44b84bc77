/**
 * What kind of file system a directory lies on, and what that means for data that must not be lost: whether what was synced is on a
 * disk, whether a lock keeps another machine off, whether anything is left after a reboot.
 *
 * Only Linux tells it (/proc/self/mountinfo); elsewhere nothing is known, and nothing is doubted.
 */
import { readFile, realpath } from 'node:fs/promises'
import { dirname, resolve, sep } from 'node:path'
import { isSystemError } from './errors.ts'

export interface FileSystem {
  /** Where it is mounted. */
  mountPoint: string
  /** As the kernel calls it: `ext4`, `nfs4`, `fuse.sshfs`. */
  type: string
  /** The device, or what the server calls it. */
  source: string
  /** Options of the mount and of the file system. */
  options: string[]
}

/** Why data is not safe on a file system. */
export interface FileSystemDoubt {
  kind: 'volatile' | 'network' | 'layer' | 'unordered' | 'read-only'
  says: string
  advice: string
}

const VOLATILE = ['tmpfs', 'ramfs']
const NETWORK = ['nfs', 'nfs4', 'cifs', 'smb3', 'smbfs', '9p', 'ceph', 'afs', 'ncpfs', 'virtiofs', 'vboxsf']

/** The file system that a path lies on, or will lie on once it is made; undefined where the system does not tell. */
export async function findFileSystem(path: string, table = '/proc/self/mountinfo'): Promise<FileSystem | undefined> {
  const text = await readFile(table, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const place = await existingPlace(resolve(path))
  const holds = ({ mountPoint }: FileSystem): boolean =>
    mountPoint === sep || place === mountPoint || place.startsWith(`${mountPoint}${sep}`)
  // Of several at one place the one that was mounted last is seen, and stands last.
  return parseMounts(text)
    .filter(holds)
    .reduce<FileSystem | undefined>(
      (best, found) => (best === undefined || found.mountPoint.length >= best.mountPoint.length ? found : best),
      undefined,
    )
}

/** Reads the table of mounts: `36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/vda1 rw,barrier=1`. */
export function parseMounts(text: string): FileSystem[] {
  return text.split('\n').flatMap(line => {
    const [mount = '', fileSystem] = line.split(' - ')
    if (fileSystem === undefined) return []
    const [, , , , mountPoint = '', options = ''] = mount.split(' ')
    const [type = '', source = '', superOptions = ''] = fileSystem.split(' ')
    return [
      {
        mountPoint: unescapeMount(mountPoint),
        type,
        source: unescapeMount(source),
        options: [...new Set([...options.split(','), ...superOptions.split(',')])],
      },
    ]
  })
}

/** What speaks against keeping data on a file system; empty if nothing does. */
export function findFileSystemDoubts({ type, mountPoint, options }: FileSystem): FileSystemDoubt[] {
  const doubts: FileSystemDoubt[] = []
  const where = `${mountPoint} is ${type}`
  if (VOLATILE.includes(type))
    doubts.push({
      kind: 'volatile',
      says: `${where}: it is in memory, and all logs are gone at the next reboot`,
      advice: 'put the data directory on a disk',
    })
  if (NETWORK.includes(type) || type.startsWith('fuse.'))
    doubts.push({
      kind: 'network',
      says: `${where}, a file system of another machine or program: a sync may return before anything is on a disk, and the lock may not keep a second server off the directory`,
      advice: 'put the data directory on a disk of this machine',
    })
  if (type === 'overlay' || type === 'aufs')
    doubts.push({
      kind: 'layer',
      says: `${where}, the layer of a container: all logs are gone with the container`,
      advice: 'put the data directory on a volume',
    })
  if (options.includes('nobarrier') || options.includes('barrier=0'))
    doubts.push({
      kind: 'unordered',
      says: `${where} mounted without barriers: what the disk has in its own cache is lost when the power goes, although it was synced`,
      advice: 'mount it with barriers, unless the cache of the disk has a battery',
    })
  if (options.includes('ro'))
    doubts.push({ kind: 'read-only', says: `${where} mounted read-only`, advice: 'mount it so that it can be written' })
  return doubts
}

/** The nearest directory above that exists, without links. */
async function existingPlace(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') || path === dirname(path)) throw error
    return existingPlace(dirname(path))
  }
}

/** The kernel writes spaces, tabs, line breaks and backslashes as three octal digits. */
function unescapeMount(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
