// The layout of PostgreSQL's write-ahead log, the same from version 15 to 18; see xlogrecord.h and nbtxlog.h.
const PAGE_BYTES = 8_192
const PAGE_HEADER = 24
const SEGMENT_HEADER = 40
const RECORD_HEADER = 24
const ALIGNED = 8
const BTREE = 11
const LEAF_INSERTS = new Set([0x00, 0x30, 0x40, 0x50]) // into a page, with a split to the left or right, into a posting list

/**
 * What was written to the log since `from`: its bytes, its records, and how many of them put an entry into the leaf of an
 * index. `query` must be a superuser's; nothing else may write meanwhile.
 */
export async function walSince(query, from) {
  const [{ bytes, first, size }] = await query(
    `select (pg_current_wal_insert_lsn() - $1::pg_lsn)::float8 as bytes, ($1::pg_lsn - '0/0')::float8 as first,
            (select setting::int from pg_settings where name = 'wal_segment_size') as size`,
    [from],
  )
  await query('select pg_switch_wal()') // So that everything of it lies in files.
  const counts = { bytes, records: 0, indexEntries: 0 }
  let rest = Buffer.alloc(0)
  for (let segment = Math.floor(first / size); segment * size < first + bytes; segment += 1) {
    const file = await query(
      `select pg_read_binary_file('pg_wal/' || pg_walfile_name('0/0'::pg_lsn + $1::numeric)) as content`,
      [segment * size + 1],
    )
    const begin = Math.max(first - segment * size, 0)
    const end = Math.min(first + bytes - segment * size, size)
    rest = countRecords(Buffer.concat([rest, withoutHeaders(file[0].content, begin, end)]), counts)
  }
  return counts
}

/** The bytes from `begin` to `end` of a segment without the headers of its pages. */
function withoutHeaders(segment, begin, end) {
  const parts = []
  for (let page = Math.floor(begin / PAGE_BYTES) * PAGE_BYTES; page < end; page += PAGE_BYTES) {
    const content = page + (page === 0 ? SEGMENT_HEADER : PAGE_HEADER)
    const from = Math.max(begin, content)
    const to = Math.min(end, page + PAGE_BYTES)
    if (from < to) parts.push(segment.subarray(from, to))
  }
  return Buffer.concat(parts)
}

/** Adds the whole records to `counts`; returns what begins a record that goes on in the next segment. */
function countRecords(stream, counts) {
  let at = 0
  while (at + RECORD_HEADER <= stream.length) {
    const length = stream.readUInt32LE(at)
    if (length < RECORD_HEADER || at + length > stream.length) break
    counts.records += 1
    const info = stream[at + 16] & 0xf0
    if (stream[at + 17] === BTREE && LEAF_INSERTS.has(info)) counts.indexEntries += 1
    at += Math.ceil(length / ALIGNED) * ALIGNED
  }
  return stream.subarray(Math.min(at, stream.length))
}
