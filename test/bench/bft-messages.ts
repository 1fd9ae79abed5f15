/**
 * Messages, bytes and signatures per decision in the normal case, for n = 4 … 31, PBFT against HotStuff,
 * counted in the simulator: the production node over a calm simulated network, one request at a time.
 * `npm run bench:messages` prints the table and writes the plot to docs/bft-messages.svg.
 */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { requestSignBytes, signedRequest } from '../../src/consensus/bft/client-request.js'
import { encodeBftMessage } from '../../src/consensus/bft/wire.js'
import { encodeRequest, NO_SESSION } from '../../src/consensus/request.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster } from '../../src/simulator/cluster.js'
import { simulatedSigner } from '../../src/simulator/signatures.js'
import { CLIENT_FRAME, PROPOSE_HEADER_BYTES, writeProposeHeader } from '../../src/transport/client-protocol.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'

const SIZES = [4, 7, 10, 13, 16, 19, 22, 25, 28, 31]
const PROTOCOLS = ['pbft', 'hotstuff'] as const
const WARM_UP = 5
const DECISIONS = 20
const SETTLE_MS = 60

interface Row {
  readonly nodes: number
  readonly messages: number
  readonly bytes: number
  readonly signatures: number
}

function requestFrame(cluster: SimulatedCluster, sequence: number): Uint8Array {
  const header = { session: NO_SESSION, firstSequence: sequence, ackedBelow: 0, clientKey: SIMULATED_CLIENT_KEY }
  const unsigned = encodeRequest(header, [encodeOperation({ type: 'OpenSession', ordered: false })])
  const sign = simulatedSigner(sha256, SIMULATED_CLIENT_KEY)
  const request = signedRequest(unsigned, sign(requestSignBytes(sha256, cluster.configuration.clusterId, unsigned)))
  const payload = new Uint8Array(PROPOSE_HEADER_BYTES + request.length)
  payload.set(request, PROPOSE_HEADER_BYTES)
  writeProposeHeader(payload, sequence)
  return payload
}

async function measure(protocol: (typeof PROTOCOLS)[number], nodes: number): Promise<Row> {
  const cluster = new SimulatedCluster({ seed: 1, nodes, protocol, sha256 })
  const counts = { messages: 0, bytes: 0, signatures: 0 }
  cluster.watch = {
    signed: () => {
      counts.signatures++
    },
    stepped: () => {},
  }
  cluster.network.onSend = (_from, _to, message) => {
    counts.messages++
    counts.bytes += encodeBftMessage(message as Parameters<typeof encodeBftMessage>[0]).length
  }
  await cluster.start()
  for (let sequence = 1; sequence <= WARM_UP + DECISIONS; sequence++) {
    if (sequence === WARM_UP + 1) Object.assign(counts, { messages: 0, bytes: 0, signatures: 0 })
    const answered = new Set<string>()
    for (const node of cluster.nodes) {
      const connection = node.listener?.connect(SIMULATED_CLIENT_KEY, {
        onAnswer: (type) => {
          if (type === CLIENT_FRAME.applied) answered.add(node.id)
        },
        onClose: () => {},
      })
      connection?.transmit(CLIENT_FRAME.propose, requestFrame(cluster, sequence))
    }
    await cluster.run(30_000, () => answered.size === nodes)
    // What a decision still has to say after everybody executed it belongs to it.
    await cluster.run(SETTLE_MS)
  }
  const per = (count: number) => Math.round((count / DECISIONS) * 10) / 10
  return { nodes, messages: per(counts.messages), bytes: per(counts.bytes), signatures: per(counts.signatures) }
}

function plot(rows: ReadonlyMap<string, readonly Row[]>): string {
  const [width, height, left, bottom] = [640, 360, 60, 40]
  const most = Math.max(...[...rows.values()].flat().map(({ messages }) => messages))
  const x = (nodes: number) => left + ((nodes - 4) / 27) * (width - left - 20)
  const y = (messages: number) => height - bottom - (messages / most) * (height - bottom - 30)
  const lines = [...rows].map(([protocol, points], at) => {
    const color = at === 0 ? '#b4410e' : '#1a5fb4'
    const path = points.map((row) => `${x(row.nodes).toFixed(1)},${y(row.messages).toFixed(1)}`).join(' ')
    const last = points.at(-1) as Row
    const label = `<text x="${x(28)}" y="${(y(last.messages) - 6).toFixed(1)}" fill="${color}">${protocol}</text>`
    return `<polyline fill="none" stroke="${color}" stroke-width="2" points="${path}"/>${label}`
  })
  const ticks = SIZES.map((n) => `<text x="${x(n)}" y="${height - bottom + 18}" text-anchor="middle">${n}</text>`)
  const axes = `<path d="M${left} 20 V${height - bottom} H${width - 10}" fill="none" stroke="#888"/>`
  const most0 = `<text x="${left - 6}" y="${y(most) + 4}" text-anchor="end">${Math.round(most)}</text>`
  const words = 'messages per decision, by number of members'
  const title = `<title>${words}</title><text x="60" y="14">${words}</text>`
  const style = 'font-family="sans-serif" font-size="12"'
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ${style}>${title}${axes}${most0}${ticks.join('')}${lines.join('')}</svg>\n`
}

const rows = new Map<string, Row[]>()
for (const protocol of PROTOCOLS) {
  const measured: Row[] = []
  for (const nodes of SIZES) measured.push(await measure(protocol, nodes))
  rows.set(protocol, measured)
}
process.stdout.write('| n | PBFT messages | bytes | signatures | HotStuff messages | bytes | signatures |\n')
process.stdout.write('| --: | --: | --: | --: | --: | --: | --: |\n')
SIZES.forEach((nodes, at) => {
  const cells = PROTOCOLS.flatMap((protocol) => {
    const row = rows.get(protocol)?.[at] as Row
    return [row.messages, row.bytes, row.signatures]
  })
  process.stdout.write(`| ${nodes} | ${cells.join(' | ')} |\n`)
})
const file = fileURLToPath(new URL('../../../docs/bft-messages.svg', import.meta.url))
await writeFile(file, plot(rows))
