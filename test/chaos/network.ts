/**
 * A network of its own for every node: one namespace each, joined by a bridge that the clients are on
 * too. Packets of one direction vanish when the sender is given a hardware address that nobody has:
 * no filter and no queueing discipline of the kernel is needed, and nobody is told.
 */
import { need, needRoot, system } from './needs.js'

const PORT = 4100
/** Nobody's hardware address. */
const NOWHERE = '02:00:00:00:00:01'

export class NodeNetwork {
  readonly addresses: readonly string[]
  readonly #tag: string
  readonly #nodes: number
  readonly #subnet: string

  private constructor(tag: string, nodes: number, subnet: string) {
    this.#tag = tag
    this.#nodes = nodes
    this.#subnet = subnet
    this.addresses = Array.from({ length: nodes }, (_, at) => `${this.#host(at + 1)}:${PORT}`)
  }

  /** Throws `ChaosSkipped` where namespaces, pairs of interfaces or bridges are missing or not allowed. */
  static async make(nodes: number): Promise<NodeNetwork> {
    needRoot()
    const number = process.pid % 200
    const network = new NodeNetwork(`kn${number}`, nodes, `10.231.${number}`)
    await network.remove()
    try {
      await need('network namespaces', 'ip', 'netns', 'add', network.#space(1))
      await need('bridges', 'ip', 'link', 'add', network.#bridge, 'type', 'bridge')
      await network.#build()
    } catch (error) {
      await network.remove()
      throw error
    }
    return network
  }

  /** What runs a command inside the network of node `id` (n1 …). */
  prefix(id: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#space(numberOf(id))]
  }

  /** Packets from one node to the other vanish. */
  async cut(from: string, to: string): Promise<void> {
    const space = this.#space(numberOf(from))
    const target = this.#host(numberOf(to))
    await system('ip', '-n', space, 'neigh', 'replace', target, 'lladdr', NOWHERE, 'dev', 'eth0', 'nud', 'permanent')
  }

  /** Everybody hears everybody again. */
  async heal(): Promise<void> {
    for (let node = 1; node <= this.#nodes; node++) {
      await system('ip', '-n', this.#space(node), 'neigh', 'flush', 'dev', 'eth0', 'nud', 'permanent')
    }
  }

  async remove(): Promise<void> {
    // What is not there, because making it failed or it was never made, need not be taken away.
    for (let node = 1; node <= this.#nodes; node++)
      await system('ip', 'netns', 'del', this.#space(node)).catch(() => undefined)
    await system('ip', 'link', 'del', this.#bridge).catch(() => undefined)
  }

  async #build(): Promise<void> {
    await system('ip', 'addr', 'add', `${this.#host(254)}/24`, 'dev', this.#bridge)
    await system('ip', 'link', 'set', this.#bridge, 'up')
    for (let node = 1; node <= this.#nodes; node++) {
      const space = this.#space(node)
      const outer = `${this.#tag}v${node}`
      if (node > 1) await system('ip', 'netns', 'add', space)
      await system('ip', 'link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space)
      await system('ip', 'link', 'set', outer, 'master', this.#bridge, 'up')
      await system('ip', '-n', space, 'addr', 'add', `${this.#host(node)}/24`, 'dev', 'eth0')
      await system('ip', '-n', space, 'link', 'set', 'eth0', 'up')
      await system('ip', '-n', space, 'link', 'set', 'lo', 'up')
    }
  }

  get #bridge(): string {
    return `${this.#tag}br`
  }

  #space(node: number): string {
    return `${this.#tag}n${node}`
  }

  #host(node: number): string {
    return `${this.#subnet}.${node}`
  }
}

function numberOf(id: string): number {
  return Number(id.slice(1))
}
