/**
 * A list of rows as a derived table, for joins that look each row up by primary key.
 *
 * Statements that lock must reach their rows one by one through the primary key. With `IN` lists the
 * optimizer is free to scan a small table whole, and a scan waits for every lock that others hold; joined in
 * this order, with STRAIGHT_JOIN, each row is one look-up. Text is ASCII in binary order, as the tables'
 * ids are: with another character set the index could not be used.
 */
export interface RowList {
  readonly sql: string
  readonly bindings: readonly (string | number)[]
}

/**
 * @param columns names of the columns, each of text or of numbers
 * @param rows at least one; values in the order of the columns
 */
export function rowList(
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): RowList {
  const [first = []] = rows
  const cell = (value: string | number): string =>
    typeof value === 'number' ? '?' : 'CONVERT(? USING ascii) COLLATE ascii_bin'
  const head = `SELECT ${first.map((value, i) => `${cell(value)} AS ${columns[i] ?? ''}`).join(', ')}`
  const others = rows.slice(1).map((row) => `SELECT ${row.map(cell).join(', ')}`)
  return { sql: `(${[head, ...others].join(' UNION ALL ')})`, bindings: rows.flat() }
}
