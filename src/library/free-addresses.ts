/** Addresses for trials and tests, where all members run on one machine. */
import { chooseFreePorts } from '../cluster/free-ports.js'

/** So many loopback addresses, host:port, that nobody listens on at the moment. */
export async function freeAddresses(count: number): Promise<string[]> {
  return (await chooseFreePorts(count)).map((port) => `127.0.0.1:${port}`)
}
