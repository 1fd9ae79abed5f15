/** `sim list`: what the simulator can do to a cluster, what it checks, and which scenarios there are. */
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { FAULT_MEANINGS, INVARIANT_MEANINGS } from '../simulator/catalogue.js'
import { FAULT_IDS } from '../simulator/fault-counts.js'
import { systemErrorCode } from '../storage/files.js'
import type { Output } from './printer.js'

interface Described {
  readonly id: string
  readonly summary: string
}

export interface SimulatorList {
  readonly faults: readonly Described[]
  readonly invariants: readonly Described[]
  readonly scenarios: readonly string[]
}

/** Looked for in the current directory, and in the checkout this runs from. */
export async function simulatorList(): Promise<SimulatorList> {
  const faults = FAULT_IDS.map((id) => ({ id, summary: FAULT_MEANINGS[id] }))
  const invariants = Object.entries(INVARIANT_MEANINGS).map(([id, summary]) => ({ id, summary }))
  const here = await scenariosIn('fixtures/scenarios')
  const checkout = fileURLToPath(new URL('../../../fixtures/scenarios', import.meta.url))
  return { faults, invariants, scenarios: here.length > 0 ? here : await scenariosIn(checkout) }
}

async function scenariosIn(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory, { recursive: true })
    return names
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .map((name) => `${directory}/${name}`)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error))) return []
    throw error
  }
}

export function listOutput(list: SimulatorList): Output {
  return {
    value: list,
    items: [
      ...list.faults.map((one) => ({ kind: 'fault', ...one })),
      ...list.invariants.map((one) => ({ kind: 'invariant', ...one })),
      ...list.scenarios.map((id) => ({ kind: 'scenario', id, summary: null })),
    ],
    ids: [...list.faults, ...list.invariants].map(({ id }) => id),
    text: async ({ table }) => {
      const rows = (described: readonly Described[]) => described.map(({ id, summary }) => [id, summary])
      const faults = await table(['fault', 'what happens'], rows(list.faults))
      const invariants = await table(['promise', 'what must hold'], rows(list.invariants))
      const scenarios = list.scenarios.length === 0 ? 'No scenarios found.' : list.scenarios.join('\n')
      return `${faults}\n\n${invariants}\n\n${scenarios}`
    },
  }
}
