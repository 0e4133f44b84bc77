/** All clients that sluice is tested with; of each library the newest version stands last. */
import type { ClientUnderTest } from './client.ts'
import { goClients } from './go.ts'
import { javaClients } from './java.ts'
import { nodeClients } from './node.ts'
import { pythonClients } from './python.ts'

export const clients: readonly ClientUnderTest[] = [...pythonClients, ...nodeClients, ...goClients, ...javaClients]

export function isNewest(client: ClientUnderTest): boolean {
  return clients.findLast(({ library }) => library === client.library) === client
}
