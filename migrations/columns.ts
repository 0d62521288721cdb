import type { Knex } from 'knex'

/** Column types that several tables share. A migration that has run never changes, so neither do these: add new ones. */

/** Ids are case-sensitive: with a server's default collation `Hamlet` and `hamlet` would be one. */
export const ID = 'VARCHAR(64)'
/** 4 hexadecimal digits of slot, 32 of hash. */
export const REQUEST_ID = 'CHAR(36)'
/** Up to 10 seat ids with commas between them; `FIND_IN_SET` searches it. */
export const SEAT_IDS = 'VARCHAR(700)'
/** Milliseconds since 1970 UTC. An integer has no time zone to get wrong. */
export const MILLISECONDS = 'BIGINT UNSIGNED'
/** Microseconds since 1970 UTC. */
export const MICROSECONDS = 'BIGINT UNSIGNED'

export function binaryIds(table: Knex.CreateTableBuilder): void {
  table.engine('InnoDB')
  table.charset('ascii')
  table.collate('ascii_bin')
}

/** The slot leads every key: a MySQL sharded by it keeps each transaction in one place. */
export function slotColumn(table: Knex.CreateTableBuilder): void {
  table.specificType('slot', 'SMALLINT UNSIGNED').notNullable()
}
