/**
 * A query that answers page by page, read until enough rows are there. A page may be short, even
 * empty, before the end: only the cursor says whether there is more.
 */
import type { Client, QueryOptions } from '../client/api.js'

/** Most rows that one command prints; `cursor` continues. */
export const PAGED_ROWS_MAX = 100_000
const PAGE_ROWS = 1_000

export interface PagedQuery {
  readonly name: string
  /** The answer's field with the rows. */
  readonly field: string
  readonly args: Readonly<Record<string, unknown>>
  readonly limit: number
  readonly cursor: string | null
  readonly call: QueryOptions
}

export async function pagedQuery<Row>(
  client: Client,
  query: PagedQuery,
): Promise<{ rows: Row[]; cursor: string | null }> {
  const rows: Row[] = []
  let { cursor } = query
  do {
    const limit = Math.min(PAGE_ROWS, query.limit - rows.length)
    const { value } = await client.query(query.name, { ...query.args, limit, cursor }, query.call)
    const page = value as Record<string, unknown>
    rows.push(...(page[query.field] as Row[]))
    cursor = page.cursor as string | null
  } while (cursor !== null && rows.length < query.limit)
  return { rows, cursor }
}
