/** How long connections to the other members take to open: their round-trip time, without their trust. */
import { connect } from 'node:net'
import { parseAddress } from '../../cluster/address.js'

const TRIES = 3
const TIMEOUT_MS = 2000

/** The best of three; null where none was taken. */
export async function connectTimeMs(address: string): Promise<number | null> {
  const times: number[] = []
  for (let i = 0; i < TRIES; i++) {
    const timeMs = await openOnce(address)
    if (timeMs !== null) times.push(timeMs)
  }
  return times.length === 0 ? null : Math.min(...times)
}

function openOnce(address: string): Promise<number | null> {
  const beginMs = performance.now()
  return new Promise((resolve) => {
    const socket = connect({ ...parseAddress(address), timeout: TIMEOUT_MS })
    const end = (timeMs: number | null) => {
      socket.destroy()
      resolve(timeMs)
    }
    socket.once('connect', () => end(performance.now() - beginMs))
    socket.once('error', () => end(null))
    socket.once('timeout', () => end(null))
  })
}
