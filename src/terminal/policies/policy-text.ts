/** Policies in a few words, for tables. */

type Fields = Readonly<Record<string, unknown>>

const SCHEMA_CHARS = 40

/** Kind and content of a policy as `policy.list` answers it. */
export function policyText(policy: { readonly type: string } & Fields): [string, string] {
  const { type, ...fields } = policy
  if (type !== 'Rule') return [type, fieldsText(fields)]
  const { type: kind, ...constraint } = fields.constraint as { readonly type: string } & Fields
  return [`${kind} (${fields.enforcement}${fields.guard === true ? ', guard' : ''})`, fieldsText(constraint)]
}

function fieldsText(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name} ${valueText(value)}`)
    .join(', ')
}

function valueText(value: unknown): string {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.join('+')
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return text.length <= SCHEMA_CHARS ? text : `${text.slice(0, SCHEMA_CHARS - 1)}…`
}

/** Parts per million as a share in percent. */
export function percentText(ppm: number): string {
  return `${ppm / 10_000} %`
}
