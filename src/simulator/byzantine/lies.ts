/** The ways in which a member can lie, by the names that reports use. */

export const LIES = [
  'equivocate',
  'tamper',
  'forge',
  'withhold',
  'replay',
  'wrongResult',
  'lieInTransfer',
  'flood',
  'silence',
  'slowPrimary',
] as const

export type Lie = (typeof LIES)[number]

export function isLie(strike: string): strike is Lie {
  return LIES.some((lie) => lie === strike)
}
