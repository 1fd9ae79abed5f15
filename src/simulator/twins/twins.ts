/**
 * The scenarios of Twins: which members are two, and into which parts the network falls phase by phase. All
 * of them for a few phases, in one fixed order; beyond, whatever a seed draws. Who leads follows from the
 * phase, so that twinning one member after the other is twinning one leader after the other.
 */
import type { Sha256 } from '../../consensus/entry.js'
import { simulatedConfiguration } from '../cluster.js'
import type { SimProtocol } from '../plan.js'
import { SeededRandom } from '../random.js'
import { TwinsCluster } from './twins-cluster.js'

export interface TwinsScenario {
  /** Ordinals of the members that are two. */
  readonly twinned: readonly number[]
  /** Per phase the part that each instance is in: the members in order, then the twins. */
  readonly phases: readonly (readonly number[])[]
}

export interface TwinsResult {
  /** Where honest members decided differently; null for nowhere. */
  readonly fork: string | null
  readonly decided: number
}

/** All ways for so many instances to fall into at most `partsMax` parts, each once. */
export function partitionsOf(instances: number, partsMax: number): readonly (readonly number[])[] {
  const all: number[][] = []
  const place = (parts: readonly number[], used: number): void => {
    if (parts.length === instances) {
      all.push([...parts])
      return
    }
    for (let part = 0; part <= Math.min(used, partsMax - 1); part++) place([...parts, part], Math.max(used, part + 1))
  }
  place([], 0)
  return all
}

/** Every scenario of `nodes` members with one twin over so many phases, in at most `partsMax` parts. */
export function* allScenarios(nodes: number, phases: number, partsMax: number): Generator<TwinsScenario> {
  const partitions = partitionsOf(nodes + 1, partsMax)
  const count = partitions.length ** phases
  for (let number = 0; number < count; number++) {
    const chosen = Array.from(
      { length: phases },
      (_, at) => partitions[Math.floor(number / partitions.length ** at) % partitions.length] as readonly number[],
    )
    for (let twin = 0; twin < nodes; twin++) yield { twinned: [twin], phases: chosen }
  }
}

/** Any scenario with `twins` members that are two. */
export function drawScenario(
  seed: number,
  shape: { readonly nodes: number; readonly twins: number; readonly phases: number },
): TwinsScenario {
  const random = new SeededRandom(seed)
  const { nodes, twins, phases } = shape
  const twinned = new Set<number>()
  while (twinned.size < twins) twinned.add(random.between(0, nodes - 1))
  const parts = () => {
    const count = random.between(1, 3)
    return Array.from({ length: nodes + twins }, () => random.between(0, count - 1))
  }
  return { twinned: [...twinned], phases: Array.from({ length: phases }, parts) }
}

export function runTwins(
  protocol: Exclude<SimProtocol, 'raft'>,
  nodes: number,
  { twinned, phases }: TwinsScenario,
  sha256: Sha256,
): TwinsResult {
  const cluster = new TwinsCluster({ configuration: simulatedConfiguration({ nodes, protocol }), sha256, twinned })
  for (const parts of phases) cluster.phase(parts)
  return { fork: cluster.fork, decided: cluster.decided }
}
