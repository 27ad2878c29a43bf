import { z } from 'zod'

/** Every list: its items and where the next ones begin, null behind the last. */
export const page = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({ items: z.array(item), next_cursor: z.string().nullable(), searched_until: z.string().optional() })

/** JSON text of a page whose items are JSON text already. `searchedUntil`: the search ran out of time there. */
export function pageJson(items: string[], nextCursor?: string, searchedUntil?: string): string {
  const until = searchedUntil === undefined ? '' : `,"searched_until":${JSON.stringify(searchedUntil)}`
  return `{"items":[${items.join(',')}],"next_cursor":${JSON.stringify(nextCursor ?? null)}${until}}`
}
