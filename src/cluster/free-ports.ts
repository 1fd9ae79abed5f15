/**
 * Free loopback ports for a local cluster. All are held open at once while they are chosen, so no two
 * are equal; they are kept in the cluster file from then on.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

export async function chooseFreePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  try {
    return await Promise.all(
      servers.map(async (server) => {
        server.listen(0, '127.0.0.1')
        await once(server, 'listening')
        return (server.address() as AddressInfo).port
      }),
    )
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}
